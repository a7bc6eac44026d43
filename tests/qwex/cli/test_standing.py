"""What ``qwex status`` says of a tracker that does not know all of a job yet."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import pytest

from qwex.cli import status
from qwex.record import JobRecord, TrackerStanding
from qwex.state import JobState

if TYPE_CHECKING:
    from qwex.client import Client

RECORD = JobRecord("one-abc234", "one", "me", "script", JobState.SUCCEEDED, "local", 1.0)


class Told:
    """A client that knows of one tracker."""

    def __init__(self, standing: TrackerStanding) -> None:
        self._standing = standing

    def metrics(self, run_id: str) -> list[object]:
        return []

    def trackers(self, run_id: str) -> list[TrackerStanding]:
        return [self._standing]


def said_of(problem: str, ago: float) -> list[str]:
    client = Told(TrackerStanding("diary", 1, problem, time.time() - ago))
    return [text for _, text in status._logged(cast("Client", client), RECORD)]


@pytest.mark.parametrize(("problem", "ago"), [("it is asleep", 1.0), ("", 60.0), ("it is asleep", 60.0)])
def test_what_is_long_behind_or_away_is_said(problem: str, ago: float) -> None:
    (text,) = said_of(problem, ago)
    assert text.startswith("not all is recorded there yet, since 20")
    assert text.endswith(f": {problem}") == bool(problem)


def test_what_is_told_in_a_moment_is_not() -> None:
    assert said_of("", 1.0) == []
