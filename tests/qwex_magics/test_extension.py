from __future__ import annotations

import queue
import subprocess
import sys

import pytest
from IPython.core.oinspect import getdoc

import qwex_magics
from qwex.options import flags
from qwex_magics.arguments import CELL
from qwex_magics.commands import COMMANDS


@pytest.fixture
def loaded(shell):
    qwex_magics.load_ipython_extension(shell)
    return shell


def magic(shell, kind):
    return shell.magics_manager.magics[kind]["qwex"]


def test_loading_twice_is_the_same_as_once(loaded):
    before = len(loaded.Completer.custom_matchers)
    qwex_magics.load_ipython_extension(loaded)
    assert len(loaded.Completer.custom_matchers) == before


def test_unloading_takes_everything_away(loaded):
    qwex_magics.unload_ipython_extension(loaded)
    assert "qwex" not in loaded.magics_manager.magics["cell"]
    assert "qwex" not in loaded.magics_manager.magics["line"]
    assert loaded.Completer.custom_matchers == []


def test_loading_imports_nothing_heavy():
    code = (
        "import sys, IPython.core.interactiveshell as i; s = i.InteractiveShell(); before = set(sys.modules)\n"
        "s.run_line_magic('load_ext', 'qwex_magics'); new = set(sys.modules) - before\n"
        "heavy = {'pydantic', 'cloudpickle', 'h11', 'ssl', 'asyncio'}\n"
        "print(sorted(heavy & new), len(new))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy, count = done.stdout.rsplit(maxsplit=1)
    assert heavy == "[]"
    assert int(count) < 10


def test_the_cells_help_has_every_flag_and_examples(loaded):
    text = getdoc(magic(loaded, "cell"))
    assert all(flag.long in text and flag.help in text for flag in (*flags(), *CELL))
    assert "%%qwex -i df -o model,history" in text


def test_the_lines_help_has_every_command(loaded):
    text = getdoc(magic(loaded, "line"))
    assert all(command.usage in text and command.help in text for command in COMMANDS.values())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("%%qwex --gup 1\n1", "--gup: no such flag. Did you mean '--gpu'?"),
        ("%%qwex -i nowhere\n1", "-i: no variable 'nowhere' in the notebook."),
        ("%%qwex --cpu {x}\n1", "{x}: no variable 'x' in the notebook."),
        ("%%qwex --cpu 0\n1", "--cpu: '0' is not an amount of CPU above 0"),
        ("%qwex", "name a command: submit, list"),
        ("%qwex lsit", "no command 'lsit'. Did you mean 'list'?"),
        ("%qwex why", "write it as: %qwex why ID"),
        ("%qwex list --stats running", "--stats: no such flag. Did you mean '--status'?"),
        ("%qwex submit", "write it as: %qwex submit FILE.py"),
        ("%%qwex --bogus\n1", "--bogus: no such flag.\n"),
        ("%qwex config urll", "no setting 'urll'. Did you mean 'url'?"),
    ],
)
def test_wrong_arguments_are_a_usage_error_in_one_line(loaded, capsys, source, message):
    result = loaded.run_cell(source)
    assert type(result.error_in_exec).__name__ == "UsageError"
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.out + printed.err


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("%qwex list --help", "%qwex list [--user NAME]"),
        ("%qwex logs -h", "--follow"),
        ("%qwex queues --help", "what is used"),
        ("%qwex --help", "%qwex COMMAND"),
        ("%%qwex --gpu 1 --help\n1", "%%qwex [flags]"),
    ],
)
def test_help_is_given_where_it_is_asked_for(loaded, capsys, source, told):
    assert loaded.run_cell(source).success
    assert told in capsys.readouterr().out


def test_a_syntax_error_is_shown_like_ipythons_and_nothing_is_submitted(loaded, capsys):
    result = loaded.run_cell("%%qwex\nx = 1\ny = = 2")
    assert type(result.error_in_exec).__name__ == "CellSyntaxError"
    shown = capsys.readouterr().out
    assert "line 3\n    y = = 2\n        ^\nSyntaxError: invalid syntax\n\nNothing was submitted." in shown
    assert "qwex_magics" not in shown


def test_the_first_job_starts_the_controller_while_it_imports(monkeypatch):
    from qwex.client import daemon
    from qwex_magics import session

    started = queue.Queue()
    monkeypatch.setattr(daemon, "ensure", started.put)
    monkeypatch.setattr(session, "running", lambda: False)
    session.prepare()
    assert started.get(timeout=10).name


def test_no_controller_is_started_where_there_is_one(monkeypatch):
    from qwex_magics import session

    monkeypatch.setattr(session, "running", lambda: True)
    monkeypatch.setattr(session.threading, "Thread", lambda **_: pytest.fail("started a thread"))
    session.prepare()
