"""Events as plain text."""

from __future__ import annotations

import pytest

from qwex.textlog import text_of


@pytest.mark.parametrize(
    ("type", "data", "text"),
    [
        ("stream", {"name": "stdout", "text": "no end"}, "no end"),
        ("result", {"data": {"text/plain": "42"}}, "42\n"),
        ("display", {"data": {"text/plain": ["a\n", "b"]}}, "a\nb\n"),
        ("display", {"data": {"image/png": "…"}}, ""),
        ("error", {"ename": "E", "evalue": "v", "traceback": ["T", "E: v"]}, "T\nE: v\n"),
        ("error", {"ename": "E", "evalue": "v", "traceback": []}, "E: v\n"),
        ("notice", {"message": "the log is full"}, "[qwex] the log is full\n"),
        ("state", {"state": "RUNNING"}, ""),
    ],
)
def test_what_a_terminal_would_show(type, data, text):
    assert text_of(type, data) == text
