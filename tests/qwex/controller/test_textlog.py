"""The last line that a job said, from the end of its log."""

from __future__ import annotations

import pytest

from qwex.controller.textlog import last_line
from qwex.events import encode


def said(*texts, attempt=1):
    return b"".join(encode("stream", 1.0, attempt, name="stdout", text=text) for text in texts)


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        ((), ""),
        (("one\ntwo\n",), "two"),
        (("one\n", "two\n"), "two"),
        (("one\n", "two "), "two"),
        (("one\nepoch 3 ", "loss ", "0.4", "\n"), "epoch 3 loss 0.4"),
        (("one\n", "\n", "  \n\t\n"), "one"),
        (("a\n", "\r 10%|#", "\r 20%|##"), "20%|##"),
        (("a\n", "\r100%|###\r\n"), "100%|###"),
        (("a\n", "\x08\x08\x08\r 5/10 [=>..]"), "5/10 [=>..]"),
        (("a\n\x1b[1;31mred\x1b[0m\x1b[K\n\x1b[0m",), "red"),
        (("a\n\x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n",), "link"),
        (("a\nx\x1b(By\x00z\x9b\u202eevil\u200b\tend\n",), "xyzevil end"),
        (("a\n" + "b" * 300_000,), "b" * 8192),
        (("\x1b]" * 100_000,), ""),
    ],
)
def test_as_a_terminal_shows_it(texts, line):
    assert last_line(said(*texts), 1) == line


def test_every_kind_of_output_counts_and_nothing_else():
    result = encode("result", 1.0, 1, data={"text/plain": "Out\n42"}, metadata={}, execution_count=1)
    error = encode("error", 1.0, 1, ename="E", evalue="no", traceback=["Traceback", "\x1b[31mE\x1b[0m: no"])
    notice = encode("notice", 1.0, 1, level="info", code="x", message="qwex speaks")
    assert last_line(said("a\n") + result + notice, 1) == "42"
    assert last_line(said("a\n") + error + notice, 1) == "E: no"


def test_only_the_present_attempt_counts():
    lines = said("first\n") + said("second\n", attempt=2)
    assert last_line(lines, 2) == "second"
    assert last_line(said("first\n") + encode("state", 1.0, 2, state="RUNNING"), 2) == ""
    assert last_line(said("first ") + said("second\n", attempt=2), 2) == "second"


def test_a_damaged_line_is_passed_over():
    assert last_line(said("a\n") + b'{"type":"stream","te}\n', 1) == "a"
