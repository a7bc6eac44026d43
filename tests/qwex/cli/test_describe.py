"""Jobs in words."""

from __future__ import annotations

import pytest

from qwex.cli import describe
from qwex.record import JobRecord
from qwex.state import JobState, QuotaLine, Why


def record(state: JobState, **more: object) -> JobRecord:
    return JobRecord("train-7k3f9q", "train", "me", "script", state, "local", 100.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("job", "line"),
    [
        (record(JobState.QUEUED), "◌ train-7k3f9q  QUEUED"),
        (record(JobState.QUEUED, attempt=2, reason="Preempted"), "◌ train-7k3f9q  QUEUED  Preempted · attempt 2"),
        (record(JobState.SUCCEEDED, started_at=100.0, ended_at=292.0), "✔ train-7k3f9q  finished in 3m12s"),
        (record(JobState.SUCCEEDED, started_at=100.0, ended_at=100.008), "✔ train-7k3f9q  finished in 8ms"),
        (
            record(JobState.FAILED, started_at=100.0, ended_at=101.2, reason="ExitCode", message="ended with code 3"),
            "✖ train-7k3f9q  failed after 1.2s · ExitCode: ended with code 3",
        ),
        (record(JobState.FAILED, reason="StartFailed"), "✖ train-7k3f9q  failed · StartFailed"),
        (record(JobState.CANCELLED, ended_at=101.0), "⦸ train-7k3f9q  cancelled before it started"),
        (
            record(JobState.FAILED, reason="Exception", message="\x1b]0;evil\x07"),
            "✖ train-7k3f9q  failed · \\x1b]0;evil\\x07",
        ),
    ],
)
def test_headline(job: JobRecord, line: str) -> None:
    assert describe.headline(job) == line


@pytest.mark.parametrize(
    ("why", "text"),
    [
        (Why("waits for 1 GPU", position=3, position_in="gpu-team"), "3rd in gpu-team · waits for 1 GPU"),
        (Why("3rd in gpu-team · waits", position=3, position_in="gpu-team"), "3rd in gpu-team · waits"),
        (
            Why("waits", position=1, position_in="a", cluster_position=11, eta=(240, 660), basis="37 admissions"),
            "1st in a, 11th in the cluster queue · waits · starts in 4–11 min (from 37 admissions)",
        ),
        (Why("\x1b[2J"), "\\x1b[2J"),
    ],
)  # fmt: skip
def test_waiting(why: Why, text: str) -> None:
    assert describe.waiting(why) == text


@pytest.mark.parametrize(
    ("number", "text"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (22, "22nd"), (113, "113th")]
)
def test_ordinal(number: int, text: str) -> None:
    assert describe.ordinal(number) == text


def test_amounts_are_in_the_resources_own_unit() -> None:
    assert describe.used(QuotaLine("cpu", 1, 2, 4)) == "2 of 4"
    assert describe.used(QuotaLine("memory", 0, 2e9, 16e9)) == "2.0 GB of 16 GB"
    assert describe.used(QuotaLine("gpu", 0, 1)) == "1"


def test_next_steps_are_commands() -> None:
    assert describe.next_steps("train-7k3f9q", after=7).splitlines() == [
        "  follow   qwex logs train-7k3f9q --follow --offset 7",
        "  why      qwex why train-7k3f9q",
        "  stop     qwex cancel train-7k3f9q",
    ]
