from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest
from IPython.core.completer import provisionalcompleter

import qwex_magics
from qwex.client import Page
from qwex.state import QueueInfo
from qwex_magics import completion, session


@pytest.fixture
def complete(shell, monkeypatch, record):
    """The completions of a text with ``|`` at the cursor."""
    known = SimpleNamespace(
        queues=lambda: [QueueInfo("gpu-team", "local"), QueueInfo("default", "local")],
        backends=lambda: [{"name": "local"}],
        list=lambda: Page([record], None, 1),
        machines=lambda user: [SimpleNamespace(name="train", state="RUNNING")],
    )
    monkeypatch.setattr(completion, "client", lambda: known)
    monkeypatch.setattr(completion, "running", lambda: True)
    qwex_magics.load_ipython_extension(shell)
    shell.user_ns.update(df=1, df_test=2)

    def of(text):
        before, _, after = text.partition("|")
        with provisionalcompleter():
            return [c.text for c in shell.Completer.completions(before + after, len(before))]

    return of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%qwex --gp|", ["--gpu"]),
        ("%%qwex --gpu 1 --det|\nx = 1", ["--detach"]),
        ("%%qwex --queue |", ["gpu-team", "default"]),
        ("%%qwex -q gp|", ["gpu-team"]),
        ("%%qwex --queue=def|", ["default"]),
        ("%%qwex --backend |", ["local"]),
        ("%%qwex -i df|", ["df", "df_test"]),
        ("%%qwex -i df,df_|", ["df_test"]),
        ("%%qwex -o mo|\nmodel, history = train(df)", ["model"]),
        ("%qwex res|", ["resubmit"]),
        ("%qwex why tr|", ["train-7k3f9q"]),
        ("x = 1\n%qwex attach |", ["train-7k3f9q"]),
        ("%qwex logs --fo|", ["--follow"]),
        ("%qwex submit --queue d|", ["default"]),
        ("%qwex mach|", ["machine"]),
        ("%qwex machine st|", ["status", "start", "stop"]),
        ("%qwex machine stop |", ["train"]),
        ("%qwex machine create train --gp|", ["--gpu"]),
    ],
)
def test_completions(complete, text, expected):
    assert sorted(complete(text)) == sorted(expected)


def test_the_body_of_a_cell_completes_as_ever(complete):
    assert "df_test" in complete("%%qwex --gpu 1\ndf_t|")


def test_without_a_controller_none_is_started(complete, monkeypatch):
    monkeypatch.setattr(completion, "running", lambda: False)
    monkeypatch.setattr(completion, "client", lambda: pytest.fail("asked a controller that is not there"))
    assert "gpu-team" not in complete("%%qwex --queue |")


def test_whether_a_controller_is_there(tmp_path, monkeypatch):
    """What a controller that ended has left behind is no controller."""
    monkeypatch.setenv("QWEX_HOME", str(tmp_path))
    (tmp_path / "controller.json").write_text("{}")
    assert not session.running()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "controller.sock"))
        assert not session.running()
        listener.listen()
        assert session.running()
