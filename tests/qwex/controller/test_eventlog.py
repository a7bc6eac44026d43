"""The log of one job: ids are line numbers, nothing torn, readers see what was appended and wait for no file."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from qwex.controller.eventlog import Cursor, EventLog, Logs, seeds, tail
from qwex.events import parse
from qwex.record import JobRecord
from qwex.state import JobState

FIRST = b'{"type":"state","ts":1}\n'


def line(number, size=0):
    return b'{"type":"stream","n":%d,"text":"%b"}\n' % (number, b"x" * size)


def record(**more):
    given = {"id": "job-1", "name": "n", "user": "u", "kind": "command", "state": JobState.QUEUED, "backend": "b"}
    return JobRecord(**{**given, "created_at": 1.0, "queued_at": 2.0, **more})


def read_all(log, after=0):
    cursor = Cursor(log, after)
    return b"".join(iter(cursor.read, b""))


@pytest.fixture
def log(tmp_path):
    made = EventLog(tmp_path / "a" / "job.jsonl", FIRST, lambda: None)
    yield made
    made.close()


def test_a_job_that_waits_has_a_story_and_no_file(tmp_path):
    logs = Logs(tmp_path / "logs")
    log = logs.write(record())
    events = [parse(each, number) for number, each in enumerate(read_all(log).splitlines(), 1)]
    assert [event["state"] for event in events] == ["PENDING", "QUEUED"]
    assert not log.path.exists()
    logs.release(log)


def test_seeds_are_the_same_each_time_and_stand_first_in_the_file(log):
    assert seeds(record()) == seeds(record())
    log.append(line(1))
    assert log.path.read_bytes() == FIRST + line(1)
    assert log.lines == 2


@pytest.mark.parametrize("after", [0, 1, 2, 500, 2999, 3000, 3001, 9999])
def test_read_from_any_line(log, after):
    for number in range(3000):
        log.append(line(number, 500))
    whole = log.path.read_bytes().splitlines(keepends=True)
    assert read_all(log, after) == b"".join(whole[after:])


def test_lines_that_begin_before_an_offset(log):
    for number in range(1500):
        log.append(line(number, number))
    whole = log.path.read_bytes()
    ends = [at for at, sign in enumerate(whole) if sign == ord("\n")]
    for end in (*ends[:2], *ends[699:702], ends[-1]):
        begun = whole[: end + 1].count(b"\n")
        assert [log.lines_before(at) for at in (end, end + 1, end + 2)] == [begun, begun, min(begun + 1, 1502)]
    assert log.lines_before(0) == log.lines_before(-5) == 0


@pytest.mark.parametrize(("size", "lines"), [(0, 0), (5, 0), (60, 1), (10**9, 4)])
def test_the_whole_lines_at_the_end(log, size, lines):
    assert tail(log.path, size) == b""
    for number in range(3):
        log.append(line(number))
    with log.path.open("ab") as torn:
        torn.write(b'{"type":"str')
    whole = log.path.read_bytes().splitlines(keepends=True)[:-1]
    assert tail(log.path, size) == b"".join(whole[len(whole) - lines :])


def test_a_reader_that_opens_it_again_finds_the_same_lines(log):
    log.append(b"".join(line(n, 900) for n in range(2000)))
    again = EventLog(log.path, b"", lambda: None)
    again.load(writable=False)
    assert (again.lines, again.size) == (log.lines, log.size)
    assert read_all(again, 1500) == read_all(log, 1500)
    again.close()


def test_a_line_of_many_megabytes(log):
    log.append(line(1, 5_000_000))
    log.append(line(2))
    assert read_all(log, 1) == line(1, 5_000_000) + line(2)
    assert read_all(log, 2) == line(2)


def test_a_torn_last_line_is_cut_off(log):
    log.append(line(1))
    with open(log.path, "ab") as file:
        file.write(b'{"type":"str')
    again = EventLog(log.path, b"", lambda: None)
    again.load(writable=True)
    again.append(line(2))
    assert log.path.read_bytes() == FIRST + line(1) + line(2)
    again.close()


def test_an_empty_file_still_begins_with_the_seeds(log):
    log.path.parent.mkdir()
    log.path.touch()
    log.load(writable=True)
    log.append(line(1))
    assert log.path.read_bytes() == FIRST + line(1)


class Disk:
    """Takes ``room`` bytes."""

    def __init__(self, monkeypatch, room):
        self.room = room
        self.write = os.write
        monkeypatch.setattr(os, "write", self)

    def __call__(self, fd, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self.write(fd, data[: self.room])
        self.room -= written
        return written


def test_a_full_disk_tears_nothing_and_keeps_what_is_essential(log, monkeypatch):
    log.append(line(1))
    disk = Disk(monkeypatch, 10)
    assert not log.append(line(2))
    assert log.path.read_bytes() == FIRST + line(1)
    assert log.append(line(3), essential=True) is True
    assert log.path.read_bytes() == FIRST + line(1)
    assert read_all(log) == FIRST + line(1) + line(3)
    assert log.lines == 3
    disk.room = 1000
    log.append(line(4))
    assert log.path.read_bytes() == FIRST + line(1) + line(3) + line(4)
    assert read_all(log, 2) == line(3) + line(4)


def test_space_is_made_for_what_is_essential(tmp_path, monkeypatch):
    disk = Disk(monkeypatch, 0)
    log = EventLog(tmp_path / "job.jsonl", FIRST, lambda: setattr(disk, "room", 1000))
    assert not log.append(line(1))
    log.append(line(2), essential=True)
    assert log.path.read_bytes() == FIRST + line(2)
    log.close()


@pytest.mark.anyio
async def test_readers_are_woken(log):
    wake = asyncio.Event()
    log.subscribe(wake)
    log.append(line(1))
    assert wake.is_set()
    wake.clear()
    log.end()
    assert wake.is_set()
    log.unsubscribe(wake)


@pytest.mark.anyio
async def test_one_log_for_all_and_closed_by_the_last(tmp_path):
    logs = Logs(tmp_path / "logs")
    writer = logs.write(record())
    reader = await logs.read(record())
    assert reader is writer
    writer.append(line(1))
    logs.release(writer)
    assert logs.held("job-1") is reader
    logs.release(reader)
    assert logs.held("job-1") is None
    assert reader.fd == -1
