"""``qwex machine`` where nothing runs: how machines are shown, and what is refused before anything is asked for."""

from __future__ import annotations

import json
import time

import pytest

from qwex.cli import machine, machineshow
from qwex.machines import MachineEvent, MachineRecord, MachineState
from qwex.machinewords import machine_row, machine_use


def record(state="RUNNING", **more):
    fields = {"id": "train-abcdef", "name": "train", "user": "ada", "provider": "kueue", "created_at": 1.0}
    return MachineRecord(**{**fields, "state": MachineState(state), **more})


def test_how_long_nobody_used_it_is_shown_beside_what_it_may():
    found = machine_use(record(idle=7200.0, active_at=time.time() - 2040))
    assert found == "inactive 34m00s of 2h00m"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (record("STOPPED", idle=60.0, active_at=1.0), ""),
        (record(idle=7200.0), "stops after 2h00m of nothing"),
        (record(active_at=1.0, doing=("2 ssh connections", "terminal 0")), "2 ssh connections"),
    ],
)
def test_what_goes_on_is_shown_of_one_that_runs(given, shown):
    assert machine_use(given) == shown


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (record("STOPPED", reason="Idle", idle=7200.0), "nobody used it for 2h00m"),
        (record("STOPPED", reason="TooOld", max_age=86400.0), "it had run for 1d00h"),
        (record("STOPPED", reason="StoppedByUser", idle=7200.0), ""),
    ],
)
def test_one_that_was_stopped_unasked_says_why(given, shown):
    assert machine_row(given)[-1] == shown


def test_the_way_in_is_that_of_a_machine_that_runs(capsys):
    assert machineshow.way_in(record(door={"home": "/home/dev"})) == 0
    shown = capsys.readouterr().out
    assert "ssh qwex-train" in shown
    assert "cursor://vscode-remote/ssh-remote+qwex-train/home/dev" in shown


def test_one_that_waits_has_its_why_and_one_that_failed_its_reason(capsys):
    assert machineshow.way_in(record("QUEUED")) == 0
    assert "qwex machine why train" in capsys.readouterr().out
    assert machineshow.way_in(record("FAILED", message="the cluster refuses it")) == 1
    assert "the cluster refuses it" in capsys.readouterr().err


def test_what_a_terminal_must_not_be_told_is_written_out(capsys):
    machineshow.details(record("FAILED", message="\x1b[31mred"))
    assert "\x1b[31m" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "Bad_Name"), "error: NAME: 'Bad_Name': small letters"),
        (("create", "train", "--cpu", "x"), "error: --cpu: 'x' is not an amount of CPU"),
        (("create", "train", "--pre-stop", "x\udcff"), "error: --pre-stop: 'x\\udcff' is not text in UTF-8"),
        (("create", "train", "--image", "debian"), "has no image"),
        (("create", "train", "-e", "FOO"), "error: --env: 'FOO': write NAME=VALUE"),
        (("create", "train", "--key", "/nowhere"), "/nowhere.pub"),
        (("create", "train", "--key", "~nosuch/key"), "~nosuch/key cannot be read: there is no such file"),
        (("status", "nope"), "qwex machine list"),
        (("set", "nope"), "--idle 2h"),
        (("create", "train", "--idle", "2"), "'2' has no unit"),
        (("set", "nope", "--max-age", "90"), "'90' has no unit"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(qwex, words, said, tmp_path):
    done = qwex("machine", *words, HOME=str(tmp_path))
    assert done.code != 0
    assert said in done.err


@pytest.mark.parametrize(
    ("command", "default"), [("create", {"--cpu", "--image", "--priority"}), ("start", set()), ("set", set())]
)
def test_a_default_is_that_of_a_new_machine_alone(command, default):
    flags = machine.COMMAND.commands[command].all_flags()
    assert default <= {flag.long for flag in flags if "(default" in flag.help}
    assert default or all("(default" not in flag.help for flag in flags)


def test_without_machines_the_list_says_how_to_make_one(qwex, tmp_path):
    done = qwex("machine", "list", HOME=str(tmp_path))
    assert (done.code, done.out) == (0, "no machines. Make one with: qwex machine create NAME --gpu 1\n")
    assert not (tmp_path / ".ssh").exists()


def test_the_shell_completes_their_names_with_and_without_a_controller(qwex, boxes):
    def completed(command):
        line = f"qwex machine {command} t"
        return qwex(_QWEX_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD="3").out.split()

    for name in ("train", "tune", "other"):
        assert qwex("machine", "create", name, "--detach").code == 0
    assert completed("stop") == completed("code") == ["train", "tune"]
    assert completed("create") == []
    assert qwex("controller", "stop").code == 0
    assert completed("start") == ["train", "tune"]


def test_what_became_of_it_names_who_asked(capsys):
    created = MachineEvent(1.0, MachineState.PENDING, asked="create", user="ada")
    runs = MachineEvent(2.0, MachineState.RUNNING, node="gpu-3")
    machineshow.events([created, runs, MachineEvent(3.0, MachineState.STOPPING, "Idle", asked="stop")])
    rows = [" ".join(line.split()[2:]) for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == ["PENDING 1 create by ada", "RUNNING 1 gpu-3", "STOPPING 1 stop · Idle"]


def test_a_machine_is_made_where_what_ssh_needs_cannot_be_written(qwex, boxes, home, tmp_path):
    pytest.importorskip("bcrypt", reason="the kueue extra is not installed")
    assert qwex("machine", "key").code == 0
    (home / "ssh" / "config").mkdir()
    made = qwex("machine", "create", "train", "--password", "--detach", "--quiet")
    assert made.code == 0
    assert made.out.startswith("train-")
    assert "its password, shown this once: " in made.err
    assert "cannot be written" in made.err
    assert "qwex machine list" in made.err
    assert "Traceback" not in made.err
    (home / "ssh" / "config").rmdir()
    assert qwex("machine", "list").err == ""
    assert "Host qwex-train" in (home / "ssh" / "config").read_text()
    (home / "ssh" / "config").unlink()
    (home / "ssh" / "config").mkdir()
    gone = qwex("machine", "delete", "train")
    assert (gone.code, gone.out.split(" is ")[0]) == (0, "train")
    assert "cannot be written" in gone.err


def test_the_machines_of_another_controller_stay_known(qwex, boxes, home, tmp_path):
    from qwex.client.ssh import doors

    folder = home / "ssh"
    doors.keep(folder, [record(door={"home": "/"}, host_key="ssh-ed25519 AAAA")], "https://qwex.example")
    listed = qwex("machine", "list")
    assert "elsewhere: ssh qwex-train, of the controller at https://qwex.example" in listed.err
    assert doors.names(folder) == ["train"]
    refused = qwex("machine", "create", "train")
    assert refused.code == 1
    assert "qwex machine leave train" in refused.err
    assert qwex("machine", "leave", "train").code == 0
    assert qwex("machine", "create", "train", "--detach").code == 0
    assert json.loads(qwex("machine", "list", "--json").out)["elsewhere"] == []


@pytest.mark.parametrize("text", ["{", "[]", '{"opener": 1}'])
def test_a_broken_door_is_asked_anew(qwex, boxes, home, text):
    assert qwex("machine", "create", "train").code == 0
    file = home / "ssh" / "machines" / "train.json"
    file.write_text(text)
    listed = qwex("machine", "list")
    assert (listed.code, listed.err) == (0, "")
    assert json.loads(file.read_text())["name"] == "train"


def test_a_private_key_goes_nowhere(qwex, boxes, tmp_path):
    (tmp_path / "key.pub").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    refused = qwex("machine", "create", "train", "--key", str(tmp_path / "key.pub"))
    assert refused.code != 0
    assert "has a private key, which goes nowhere" in refused.err
    assert qwex("machine", "list").out.startswith("no machines")


def test_ipykernel_goes_into_machines_that_run(qwex, boxes):
    assert qwex("machine", "create", "train").code == 0
    assert qwex("machine", "stop", "train").code == 0
    refused = qwex("machine", "kernel", "train", "--install")
    assert refused.code != 0
    assert refused.err.count("\n") == 1
    assert "train does not run: STOPPED. Start it: qwex machine start train" in refused.err
    assert qwex("machine", "kernel", "train").code == 0


def test_a_controller_with_another_default_place_is_told(qwex, boxes):
    def create(name, **more):
        return qwex("machine", "create", name, "--cpu", "0.1", "--detach", QWEX_BACKEND="", **more)

    said = "warning: machines that name no backend go to 'local', as your controller was started; here it is 'box' by "
    assert said not in create("first").err
    made = create("train", QWEX_DEFAULT_BACKEND="box")
    assert made.code == 0
    assert said in made.err
    assert made.err.rstrip().endswith("or name one: --on box")
    assert said not in qwex("machine", "create", "other", "--on", "box", "-d", QWEX_DEFAULT_BACKEND="box").err
