"""Finding records in lines without parsing them all."""

from __future__ import annotations

import pytest

from qwex.controller.records import are_streams, find, last_position, type_of, values_in
from qwex.events import encode
from qwex.state import Position


def line(type, seq=None, **fields):
    return encode(type, 1.5, 2, **({} if seq is None else {"seq": seq}), **fields)


def test_type():
    assert type_of(line("update_display", 1)) == b"update_display"


def test_find():
    lines = line("exit", 1, code=1) + line("stream", 2, text='\n{"type":"exit"') + line("exit", 3, code=3)
    assert [record["code"] for record in find(lines, "exit")] == [1, 3]
    assert list(find(lines, "value")) == []
    assert list(find(b"", "value")) == []


def test_last_position_is_the_runners():
    lines = line("stream", 7, text="a") + line("state", state="QUEUED") + line("state", state="RUNNING")
    assert last_position(lines) == Position(2, 7)
    assert last_position(line("state", state="QUEUED")) is None
    assert last_position(b"") is None


def test_what_a_job_prints_is_no_position():
    assert last_position(line("stream", 4, text='{"type":"x","ts":1,"attempt":9,"seq":9}')) == Position(2, 4)


@pytest.mark.parametrize(
    ("lines", "are"),
    [
        (b'{"type":"stream","n":1}\n{"type":"stream","n":2}\n', True),
        (b'{"type":"stream","n":1}\n{"type":"state","n":2}\n', False),
        (b'{"type":"state","n":1}\n{"type":"stream","n":2}\n', False),
        (b'{"type":"stream","text":"{\\"type\\":\\"stream\\""}\nbroken\n', False),
    ],
)
def test_lines_that_are_streams_alone(lines, are):
    assert are_streams(lines) is are


DIGEST = f"sha256:{'0' * 64}"
VALUE = {"name": "x", "size": 1, "digest": DIGEST}


@pytest.mark.parametrize(
    "changed",
    [
        {"name": None},
        {"name": "../x"},
        {"name": ["x"]},
        {"digest": None},
        {"digest": "sha256:00"},
        {"digest": 7},
        {"size": None},
        {"size": -1},
        {"size": 1.5},
        {"size": True},
        {"path": 3},
        {"path": "\ud800"},
        {"format": {}},
    ],
)
def test_a_value_that_a_jobs_code_has_made_up_is_none(changed):
    made_up = line("value", 2, **{**VALUE, **changed}).replace(b"?", b"\\ud800")
    assert [each["name"] for each in values_in(line("value", 1, **VALUE) + made_up)] == ["x"]


def test_a_value_of_no_attempt_is_none():
    assert list(values_in(line("value", 1, **VALUE).replace(b'"attempt":2', b'"attempt":"2"'))) == []
    assert list(values_in(b'{"type":"value"}\n')) == []
