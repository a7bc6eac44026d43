"""Records are one line each, can be told apart without parsing, and come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwex.events import Event, encode, is_type, parse


def test_type_is_the_first_key() -> None:
    assert encode("stream", 1.0, 1, name="stdout", text="x").startswith(b'{"type":"stream",')


@pytest.mark.parametrize("text", ["a\nb", "a\u2028b", "\x00\x1b[1m", '"type":"exit"', "h\u00e9 \U0001f30d"])
def test_one_record_is_one_line_and_comes_back(text: str) -> None:
    line = encode("stream", 1.25, 2, seq=7, name="stdout", text=text)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert parse(line, 3) == Event(3, "stream", 1.25, 2, 7, {"name": "stdout", "text": text})


@given(st.text())
def test_any_text_survives(text: str) -> None:
    event = parse(encode("stream", 0.0, 1, text=text), 1)
    assert event["text"].encode("utf-8", "backslashreplace") == text.encode("utf-8", "backslashreplace")


def test_half_a_surrogate_pair_does_not_stop_the_log() -> None:
    assert parse(encode("stream", 0.0, 1, text="\ud83c"), 1).type == "stream"


def test_told_by_its_first_bytes() -> None:
    line = encode("exit", 1.0, 1, code=0)
    assert is_type(line, "exit")
    assert not is_type(line, "exi")
    assert not is_type(encode("stream", 1.0, 1, text='{"type":"exit"'), "exit")


def test_shown_with_its_id_and_without_what_it_does_not_have() -> None:
    event = parse(encode("state", 5.0, 1, state="QUEUED"), 2)
    assert event.as_dict() == {"id": 2, "type": "state", "ts": 5.0, "attempt": 1, "state": "QUEUED"}
    assert event.get("reason", "none") == "none"
    with pytest.raises(KeyError):
        event["reason"]


def test_unknown_keys_of_a_later_version_are_kept() -> None:
    assert parse(b'{"type":"new","ts":1,"attempt":1,"more":[1]}', 1)["more"] == [1]


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b"null", b'"text"', b'{"ts":1}', b'{"type":"x"}'])
def test_what_is_no_record_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        parse(line, 1)
