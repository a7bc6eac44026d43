"""Reading event files and hearing bells."""

from __future__ import annotations

import asyncio
import os

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qwex_local.follow import Bell, EventFile, Lines, Rings, claim


def line(number, size=1):
    return b'{"type":"stream","seq":%d,"text":"%b"}\n' % (number, b"x" * size)


def read_all(lines):
    found = b""
    while chunk := lines.read():
        assert chunk.endswith(b"\n")
        found += chunk
    return found


@pytest.mark.parametrize("size", [1, 3000, 3_000_000])
def test_lines_after_any_number_of_them(tmp_path, size):
    written = [line(number, size) for number in range(1, 8)]
    (tmp_path / "events.jsonl").write_bytes(b"".join(written))
    for skip in range(9):
        lines = Lines(tmp_path, skip)
        assert read_all(lines) == b"".join(written[skip:])
        lines.close()


@given(st.lists(st.integers(1, 40), max_size=8), st.integers(0, 3))
def test_lines_are_whole_however_they_are_written(tmp_path_factory, cuts, skip):
    folder = tmp_path_factory.mktemp("lines")
    written = b"".join(line(number) for number in range(1, 6))
    lines, found, at = Lines(folder, skip), b"", 0
    assert lines.read() == b""
    with open(folder / "events.jsonl", "wb", buffering=0) as file:
        for cut in [*cuts, len(written)]:
            file.write(written[at : at + cut])
            at += cut
            found += read_all(lines)
    lines.close()
    assert found == b"".join(written.splitlines(keepends=True)[skip:])


def test_the_edges_of_an_event_file(tmp_path):
    events, file = EventFile(tmp_path), tmp_path / "events.jsonl"
    events.look()
    start = b'{"type":"start","pid":1,"start_time":2}\n'
    file.write_bytes(start[:-5])
    events.look()
    assert events.start is None
    file.write_bytes(start + line(2, 50_000))
    events.look()
    assert events.start == {"type": "start", "pid": 1, "start_time": 2}
    file.write_bytes(start + line(2, 50_000) + b'{"type":"exit","code":0')
    events.look()
    assert events.exit is None
    file.write_bytes(start + line(2, 50_000) + b'{"type":"exit","code":0}\n')
    events.look()
    assert events.exit == {"type": "exit", "code": 0, "attempt": 1, "reason": "", "message": ""}


def test_what_a_job_prints_is_not_taken_for_its_end(tmp_path):
    events = EventFile(tmp_path)
    (tmp_path / "events.jsonl").write_bytes(b'{"type":"stream","text":"\\n{\\"type\\":\\"exit\\"}"}\n')
    events.look()
    assert events.exit is None


def test_a_claim_is_exclusive(tmp_path):
    assert claim(tmp_path / "a" / "1")
    assert not claim(tmp_path / "a" / "1")


@pytest.mark.anyio
async def test_a_bell_rings_and_falls_silent(tmp_path):
    os.mkfifo(tmp_path / "bell")
    heard = asyncio.Queue()
    bell = Bell(tmp_path, lambda: heard.put_nowait("ring"), lambda: heard.put_nowait("silence"))
    assert not bell.held
    runner = os.open(tmp_path / "bell", os.O_RDWR | os.O_NONBLOCK)
    assert bell.held
    for _ in range(2):
        os.write(runner, b"x")
        with anyio.fail_after(10):
            assert await heard.get() == "ring"
    os.close(runner)
    with anyio.fail_after(10):
        assert await heard.get() == "silence"
    bell.close()


@pytest.mark.anyio
async def test_a_folder_without_a_bell_is_silent(tmp_path):
    bell = Bell(tmp_path, lambda: None, lambda: None)
    assert not bell.held
    bell.close()


@pytest.mark.anyio
async def test_rings_wake_those_who_wait_for_that_job():
    rings = Rings()
    first, second = [asyncio.ensure_future(rings.wait(name)) for name in "ab"]
    await asyncio.sleep(0)
    rings.ring("a")
    await first
    assert not second.done()
    rings.ring_all()
    await second
