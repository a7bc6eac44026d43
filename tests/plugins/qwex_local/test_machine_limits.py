"""What the shells of a machine are told before one of its limits is reached."""

from __future__ import annotations

import json

import pytest
from qwex_local.machines.limits import FILE, Warnings


@pytest.fixture
def warned(tmp_path):
    """What is said for these limits, quiet and age."""
    said = []
    warnings = Warnings(tmp_path, "train", said.append)

    def look(limits, quiet=0.0, age=0.0):
        (tmp_path / FILE).write_text(json.dumps(limits))
        assert warnings.look(quiet, age) == bool(said)
        found = list(said)
        said.clear()
        return found

    return look


def test_ten_minutes_ahead_and_one_minute_ahead_and_not_again(warned):
    limits = (None, 36_000)
    assert warned(limits, age=35_000) == []
    (first,) = warned(limits, age=35_500)
    assert first.startswith("this machine has run for nearly as long as it may; it stops in 9 min.")
    assert "qwex machine set train --max-age TIME" in first
    assert warned(limits, age=35_800) == []
    (last,) = warned(limits, age=35_950)
    assert "it stops in 1 min." in last
    assert warned(limits, age=35_980) == []


def test_whoever_uses_it_again_is_told_again_later(warned):
    limits = (7_200, None)
    assert len(warned(limits, quiet=6_800)) == 1
    assert warned(limits, quiet=5) == []
    (again,) = warned(limits, quiet=6_800)
    assert "nobody uses this machine; it stops in 7 min." in again


def test_more_time_is_heard_of(warned):
    assert len(warned((None, 1_000), age=900)) == 1
    assert warned((None, 9_000), age=950) == []


def test_a_short_limit_is_not_announced_from_its_start_on(warned):
    assert warned((30, None), quiet=20) == []
    assert len(warned((30, None), quiet=25)) == 1


@pytest.mark.parametrize("text", [None, "", "[60", "[60, null, 5]", "5"])
def test_without_limits_nothing_is_said(tmp_path, text):
    if text is not None:
        (tmp_path / FILE).write_text(text)
    assert not Warnings(tmp_path, "train", print).look(1e9, 1e9)
