"""Who asks, and what they may do."""

from __future__ import annotations

import pytest

from qwex.controller.auth import Caller, Tokens, local_caller
from qwex.controller.problems import Unauthenticated
from qwex.errors import ConfigError, NotAuthorized
from qwex.record import JobRecord
from qwex.state import JobState

TOKEN = "0123456789abcdef"


def file_of(tmp_path, text, mode=0o600):
    path = tmp_path / "tokens"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_tokens(tmp_path):
    tokens = Tokens.read(file_of(tmp_path, f"# people\n\nann:{TOKEN}\nbob:{TOKEN}:with:colons\n"))
    assert tokens.caller(f"Bearer {TOKEN}") == Caller("ann")
    assert tokens.caller(f"bearer {TOKEN}:with:colons") == Caller("bob")


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", "Bearer wrong", f"Bearer {TOKEN}x", "Bearer ü"]
)
def test_nobody_known(tmp_path, given):
    with pytest.raises(Unauthenticated):
        Tokens.read(file_of(tmp_path, f"ann:{TOKEN}\n")).caller(given)


@pytest.mark.parametrize("line", ["ann", "ann:", f":{TOKEN}", "ann:short"])
def test_lines_that_are_none(tmp_path, line):
    with pytest.raises(ConfigError, match=r"tokens:2: not of the form user:token"):
        Tokens.read(file_of(tmp_path, f"# first\n{line}\n"))


def test_a_file_that_others_may_read(tmp_path):
    with pytest.raises(ConfigError, match="chmod 600"):
        Tokens.read(file_of(tmp_path, f"ann:{TOKEN}\n", 0o644))


def test_no_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        Tokens.read(tmp_path / "none")


def test_what_is_whose():
    record = JobRecord("job", "n", "ann", "command", JobState.QUEUED, "b", 0.0)
    Caller("ann").require(record)
    local_caller().require(record)
    with pytest.raises(NotAuthorized, match="belongs to ann"):
        Caller("bob").require(record)
