"""Tables keep to the terminal's width, and are whole in a pipe."""

from __future__ import annotations

import io
import sys

import pytest

from qwex.cli.table import print_table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


ROWS = [("train-7k3f9q", "QUEUED", "waits for 1 GPU: 8 of 8 in use"), ("数据-2b3c4d", "FAILED", "evil \x1b[2J")]


def test_a_pipe_gets_everything(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("ID", "STATE", ""), ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "ID            STATE",
        "train-7k3f9q  QUEUED  waits for 1 GPU: 8 of 8 in use",
        "数据-2b3c4d   FAILED  evil \\x1b[2J",
    ]


@pytest.mark.parametrize(
    ("columns", "first"),
    [(40, "train-7k3f9q  QUEUED  waits for 1 GPU:…"), (24, "train-7k3f9q  QUEUED"), (8, "train-7…")],
)
def test_a_terminal_gets_what_fits(monkeypatch: pytest.MonkeyPatch, columns: int, first: str) -> None:
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    print_table(("ID", "STATE", ""), ROWS[:1])
    assert terminal.getvalue().splitlines()[1] == first


def test_the_second_column_is_coloured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    print_table(("ID", "STATE"), [("a", "FAILED")], ["red"])
    assert terminal.getvalue().splitlines()[1] == "a   \x1b[31mFAILED\x1b[0m"
