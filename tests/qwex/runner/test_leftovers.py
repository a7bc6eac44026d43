"""What an agent leaves in its output is read again as it was, or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwex.runner.eventfile import EventFile
from qwex.runner.leftovers import Leftovers, parse, write
from qwex.runner.story import Story

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)


def left(folder, keep=4_000_000):
    """The text of a folder's leftovers."""
    story = Story(str(folder))
    story.advance()
    path = folder / "out"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    write(fd, str(folder), story, keep)
    os.close(fd)
    return path.read_text()


def fill(folder, texts, values=()):
    log = EventFile(str(folder))
    for text in texts:
        log.write("stream", name="stdout", text=text)
    log.close()
    (folder / "values").mkdir()
    for name, data in dict(values).items():
        (folder / "values" / name).write_bytes(data)
    return (folder / "events.jsonl").read_bytes()


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=300), max_size=20), values=st.dictionaries(NAMES, st.binary(max_size=9000)))
def test_read_as_it_was(texts, values):
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        records = fill(folder, texts, values)
        text = left(folder)
    assert parse(text) == Leftovers(records, values)
    assert parse(text.replace("\n", "\r\n")) == Leftovers(records, values)
    assert max(map(len, text.splitlines())) <= 4096


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=2000), min_size=1, max_size=40), keep=st.integers(300, 6000))
def test_shortened_it_has_both_ends(texts, keep):
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        whole = fill(folder, texts).splitlines(keepends=True)
        text = left(folder, keep)
    kept = parse(text).records.splitlines(keepends=True)
    said = json.loads(text.splitlines()[0].removeprefix("qwex-log 1 "))
    notices = [line for line in kept if b'"code":"output-lost"' in line]
    lost = sum(json.loads(line)["lost"] for line in notices)
    assert said["dropped"] == lost == len(whole) - (len(kept) - len(notices))
    assert [line for line in kept if line not in notices] == [line for line in whole if line in kept]
    assert kept[-1] == whole[-1]
    numbers = [json.loads(line)["seq"] for line in kept]
    assert numbers == sorted(set(numbers))
    assert (said["first"], said["last"], said["records"]) == (numbers[0], len(whole), len(kept))


@cache
def example():
    expected = {"v": b"value" * 50}
    with tempfile.TemporaryDirectory() as path:
        return Leftovers(fill(Path(path), ["some", "text" * 100], expected), expected), left(Path(path))


@settings(max_examples=60, deadline=None)
@given(
    at=st.integers(0, 10_000),
    place=st.integers(0, 10_000),
    kind=st.sampled_from(["cut", "missing", *"Aa0 ="]),
)
def test_damage_is_seen(at, place, kind):
    expected, text = example()
    lines = text.splitlines()
    at %= len(lines)
    place %= len(lines[at])
    if kind == "cut":
        lines = lines[:at]
    elif kind == "missing":
        del lines[at]
    else:
        lines[at] = lines[at][:place] + kind + lines[at][place + 1 :]
    try:
        got = parse("\n".join(lines))
    except ValueError as error:
        assert "what is left of" in str(error) or "another version" in str(error)  # noqa: PT017 - or parts of it are whole
    else:
        assert got.records in (b"", expected.records)
        assert set(got.values.values()) <= {expected.values["v"]}


def test_nothing_was_left():
    assert parse("") == parse("something else\n") == Leftovers(b"", {})


@pytest.mark.parametrize(
    "text", ["qwex-log 2 {}\nqwex-log end", "qwex-log 1 nothing", "qwex-value []", "qwex-log 1 {}"]
)
def test_what_it_does_not_understand_it_says(text):
    with pytest.raises(ValueError, match=r"left"):
        parse(text)


def test_a_compressed_bomb_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr("qwex.runner.leftovers._LONGEST", 1000)
    monkeypatch.setattr("qwex.runner.leftovers._CHUNK", 1000)
    fill(tmp_path, ["x"])
    text = left(tmp_path)
    monkeypatch.setattr("qwex.runner.leftovers._LONGEST", 10)
    monkeypatch.setattr("qwex.runner.leftovers._CHUNK", 10)
    with pytest.raises(ValueError, match="not whole"):
        parse(text)
