"""Text that cannot harm a terminal, cut to columns, coloured only where that is wanted."""

from __future__ import annotations

import io
import os
import sys

import pytest

from qwex.cli import screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("naïve 数据", "naïve 数据"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("two\nlines\t\r", "two\\nlines\\t\\r"),
        ("\u202eevil", "\\u202eevil"),
        ("\ud800", "\\ud800"),
    ],
)
def test_safe(text: str, shown: str) -> None:
    assert screen.safe(text) == shown


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [("short", 5, "short"), ("too long", 5, "too…"), ("longer", 5, "long…"), ("数据数据", 5, "数据…"), ("ab", 1, "…")],
)
def test_fit(text: str, columns: int, shown: str) -> None:
    assert screen.fit(text, columns) == shown
    assert screen.cells(shown) <= columns


def test_colours_only_in_a_terminal_that_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert screen.coloured(Terminal())
    assert not screen.coloured(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not screen.coloured(Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not screen.coloured(Terminal())


def test_live_line_is_written_over_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("NO_COLOR", "1")
    line = screen.LiveLine()
    line.show("3rd in gpu-team, waits for a GPU")
    line.show("running")
    line.clear()
    line.clear()
    assert sys.stderr.getvalue() == "\r\x1b[K3rd in gpu-team, w…\r\x1b[Krunning\r\x1b[K"  # type: ignore[attr-defined]


def test_live_line_is_silent_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    line = screen.LiveLine()
    line.show("3rd in gpu-team")
    line.clear()
    assert capsys.readouterr() == ("", "")


def test_width_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert screen.width(io.StringIO()) is None
    main, side = os.openpty()
    with os.fdopen(main), os.fdopen(side, "w") as terminal:
        assert (screen.width(terminal) or 0) > 0
