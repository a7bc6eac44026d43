"""The table of legal moves is complete and says what the documentation says."""

from __future__ import annotations

import dataclasses
import json

import pytest

from qwex.state import (
    INFRASTRUCTURE_REASONS,
    TERMINAL,
    TRANSITIONS,
    JobState,
    JobStatus,
    Position,
    QueueInfo,
    QuotaLine,
    Reason,
    WaitReason,
    Why,
)


def test_every_state_has_its_moves() -> None:
    assert set(TRANSITIONS) == set(JobState)


@pytest.mark.parametrize("state", JobState)
def test_terminal_states_are_those_without_a_move(state: JobState) -> None:
    assert state.terminal == (state in TERMINAL) == (not TRANSITIONS[state])


@pytest.mark.parametrize("state", [state for state in JobState if state not in TERMINAL])
def test_every_living_job_can_end_in_every_way(state: JobState) -> None:
    assert TRANSITIONS[state] >= TERMINAL


def test_a_preempted_job_goes_back_to_the_queue_and_no_further() -> None:
    for state in (JobState.ADMITTED, JobState.RUNNING):
        assert JobState.QUEUED in TRANSITIONS[state]
    assert not any(JobState.PENDING in moves for moves in TRANSITIONS.values())
    assert JobState.ADMITTED not in TRANSITIONS[JobState.RUNNING]


def test_no_state_moves_to_itself() -> None:
    assert not any(state in moves for state, moves in TRANSITIONS.items())


@pytest.mark.parametrize("word", [JobState.RUNNING, Reason.TIMED_OUT, WaitReason.STARTING])
def test_words_read_as_they_are_written_in_json(word: JobState | Reason | WaitReason) -> None:
    assert str(word) == word.value == json.loads(json.dumps(word))


def test_infrastructure_reasons_are_known_reasons() -> None:
    assert {Reason(reason) for reason in INFRASTRUCTURE_REASONS} == {Reason.NODE_LOST, Reason.LOST}


def test_positions_are_ordered_by_attempt_then_number() -> None:
    assert Position() < Position(1, 9) < Position(1, 10) < Position(2, 1)


def test_data_is_frozen() -> None:
    status = JobStatus(JobState.RUNNING)
    with pytest.raises(dataclasses.FrozenInstanceError):
        status.reason = "changed"  # type: ignore[misc]


def test_answers_are_ready_for_json() -> None:
    line = QuotaLine("gpu", requested=1, used=8, nominal=8)
    why = Why("waits for 1 GPU: 8 of 8 in use", "WaitingForQuota", position=3, quota=(line,), eta=(240.0, 660.0))
    shown = json.loads(json.dumps(why.as_dict()))
    assert shown["quota"] == [{"resource": "gpu", "requested": 1, "used": 8, "nominal": 8, "borrowable": None}]
    assert shown["eta"] == [240.0, 660.0]
    assert json.loads(json.dumps(QueueInfo("team", "local", waiting=2).as_dict()))["waiting"] == 2
