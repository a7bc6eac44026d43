"""``%qwex machine``: the same words and flags as in a terminal, and how machines are shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from IPython.core.error import UsageError

from qwex.cli import machine as in_terminal
from qwex.client.ssh import doors, files, include
from qwex.errors import Conflict, NotFound
from qwex.machines import MachineRecord, MachineState
from qwex.state import Why
from qwex_magics import commands, machines
from qwex_magics.machinecard import MachineCard, MachineTable

TRAIN = MachineRecord(
    "train-abcdef", "train", "ada", "kueue", MachineState.QUEUED, 1.0, resources={"gpu": "1"}, message="waits"
)
RUNS = replace(TRAIN, state=MachineState.RUNNING, message="", door={"home": "/home/dev"}, host_key="ssh-ed25519 AAAA")
WHY = Why("1 of 1 GPU in use", suggestions=("ask ada",))


class Controller:
    """Answers with each state in turn; an exception is raised where it stands."""

    def __init__(self, *states):
        self.states, self.asked = [*states], []

    def __getattr__(self, name):
        def call(*words, **more):
            self.asked.append((name, *words, *more.items()))
            if name == "machines":
                return [RUNS]
            if name == "machine_why":
                return WHY
            if name == "follow_machine":
                return self.follow()
            state = self.states.pop(0) if self.states else RUNS
            if isinstance(state, BaseException):
                raise state
            return state

        return call

    def follow(self):
        while self.states:
            if isinstance(state := self.states.pop(0), BaseException):
                raise state
            yield state, WHY if state.state is MachineState.QUEUED else None


@pytest.fixture
def run(shell, monkeypatch, tmp_path):
    """Runs a line against a controller of these answers; what it gives, and what the controller was asked."""
    monkeypatch.setenv("QWEX_HOME", str(tmp_path / "h"))
    monkeypatch.setattr(files, "public_key", lambda folder: "ssh-ed25519 BBBB me")
    monkeypatch.setattr(files, "identity", lambda folder: None)
    monkeypatch.setattr(include, "user_config", lambda: tmp_path / "config")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))

    def run(line, *states):
        controller = Controller(*states)
        monkeypatch.setattr(machines, "client", lambda: controller)
        return commands.run(shell, f"machine {line}"), controller.asked

    return run


def shown(shell):
    return [(update, data["text/plain"]) for update, _, data in shell.display_pub.shown]


def test_it_is_made_and_shown_until_it_takes_ssh(run, shell, tmp_path):
    shell.user_ns["cards"] = 2
    _, asked = run("create train --gpu {cards} -e A=1 --idle 2h", TRAIN, TRAIN, RUNS)
    spec = {
        "name": "train",
        "resources": {"gpu": "2"},
        "env": {"A": "1"},
        "idle": "2h",
        "keys": ["ssh-ed25519 BBBB me"],
    }
    assert asked[0] == ("create_machine", spec)
    (first, waits), (second, runs) = shown(shell)
    assert (first, second) == (False, True)
    assert waits == "◌ train  QUEUED · gpu 1, 1 cpu · 1 of 1 GPU in use"
    assert runs.splitlines() == [
        "● train  RUNNING · gpu 1, 1 cpu",
        "  ssh      ssh qwex-train",
        "  VS Code  vscode://vscode-remote/ssh-remote+qwex-train/home/dev",
        "  Cursor   cursor://vscode-remote/ssh-remote+qwex-train/home/dev",
    ]
    assert (tmp_path / "config").read_text().startswith("Include ")


def test_stop_ends_the_watching_and_the_machine_goes_on(run, shell):
    with pytest.raises(Conflict, match="qwex machine stop train"):
        run("start train --gpu 2", RUNS)
    _, asked = run("start train --gpu 2", TRAIN, TRAIN, KeyboardInterrupt())
    assert asked[1] == ("start_machine", "train", ("resources", {"gpu": "2"}))
    assert "no longer followed; it starts when its turn comes" in shown(shell)[-1][1]
    assert not [call for call in asked if call[0] in ("stop_machine", "delete_machine")]


def test_a_name_that_ssh_has_for_another_machine_is_refused(run, tmp_path):
    doors.take(files.ssh_folder(tmp_path / "h"), replace(RUNS, user="bob"), "train")
    with pytest.raises(Conflict, match="ssh qwex-train is bob's machine"):
        run("create train", TRAIN)


def test_one_that_was_joined_is_said_to_be_somebody_elses(run, tmp_path):
    doors.take(files.ssh_folder(tmp_path / "h"), replace(RUNS, user="bob"), "train")
    for line in ("stop train", "status train", "start train"):
        with pytest.raises(NotFound, match="train is bob's machine"):
            run(line, NotFound("ada has no machine 'train'"))
    with pytest.raises(NotFound, match="no machine 'other'"):
        run("stop other", NotFound("ada has no machine 'other'"))


@pytest.mark.parametrize(
    ("line", "call", "text"),
    [
        ("stop train", ("stop_machine", "train"), "its home is kept"),
        ("delete train --purge", ("delete_machine", "train", True), "with its home"),
        ("status train", ("machine", "train"), "id       train-abcdef"),
        ("why train", ("machine", "train"), "1 of 1 GPU in use → ask ada"),
        ("set train --idle none", ("change_machine", "train", ("idle", None)), "ssh qwex-train"),
        ("code train", ("machine", "train"), "vscode://"),
        ("list", ("machines", "me"), "train  RUNNING"),
        ("list --all", ("machines", None), "ada"),
    ],
)
def test_the_other_commands(run, line, call, text):
    found, asked = run(line, RUNS)
    assert asked[0] == call
    assert text in repr(found)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "name a command: list, create"),
        ("lst", "Did you mean 'list'"),
        ("share train", "no command 'machine share' in a notebook. In a terminal: qwex machine share. See"),
        ("port-forward train 6006", "In a terminal: qwex machine port-forward. See them all: %qwex machine --help"),
        ("stop", "write it as: %qwex machine stop NAME"),
        ("create train --gpus 1", "Did you mean '--gpu'"),
        ("create train --priority high", "is not a whole number"),
        ("code train", "See: %qwex machine why train"),
    ],
)
def test_what_is_wrong_is_one_line(run, line, said):
    with pytest.raises(UsageError, match=said):
        run(line, TRAIN)


def test_what_somebody_wrote_is_no_html():
    bad = replace(TRAIN, message="<b>x</b>", name="<i>")
    for shown in (MachineCard(bad, note="<b>"), MachineCard(bad, is_whole=True), MachineTable([bad], everybodys=False)):
        assert "<b>" not in shown._repr_html_()
        assert "<i>" not in shown._repr_html_()
    assert "no machines" in MachineTable([], everybodys=False)._repr_html_()


def test_the_flags_are_those_of_the_terminal():
    # A file, an answer for programs, and a rehearsal have no use in a cell, and a password would be saved with it.
    elsewhere = {"--password", "--json", "--key", "--quiet", "--dry-run", "--editor", "--print"}
    for name, here in machines.COMMANDS.items():
        there = in_terminal.COMMAND.commands[name]
        theirs, ours = (
            {(flag.long, flag.short, flag.kind, flag.many, flag.metavar, flag.help) for flag in flags}
            for flags in (there.all_flags(), here.flags)
        )
        assert ours <= theirs
        assert {flag[0] for flag in theirs - ours} <= elsewhere


def test_help(shell, capsys):
    commands.run(shell, "machine --help")
    assert "machine create NAME [flags]" in capsys.readouterr().out
    commands.run(shell, "machine create --help")
    assert "--storage-class NAME" in capsys.readouterr().out
