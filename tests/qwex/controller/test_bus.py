"""Changes reach every reader; one that is slow costs no memory and misses no job."""

from __future__ import annotations

import pytest

from qwex.controller.bus import Bus
from qwex.machines import MachineGone, MachineRecord, MachineState
from qwex.record import JobRecord
from qwex.state import JobState

pytestmark = pytest.mark.anyio


def record(id, state=JobState.QUEUED):
    return JobRecord(id, "n", "u", "command", state, "b", 0.0)


async def test_in_order_from_now_on():
    bus = Bus()
    bus.publish(record("before"))
    subscription = bus.subscribe()
    bus.publish(record("a"))
    bus.publish(record("a", JobState.RUNNING))
    assert subscription.wake.is_set()
    assert [(each.id, str(each.state)) for each in subscription.take()] == [("a", "QUEUED"), ("a", "RUNNING")]
    assert subscription.take() == []
    bus.unsubscribe(subscription)
    bus.publish(record("after"))
    assert subscription.take() == []


async def test_a_reader_that_does_not_take_keeps_the_newest_of_each_job():
    bus = Bus()
    subscription = bus.subscribe()
    for n in range(50_000):
        bus.publish(record(f"job-{n % 10}", JobState.RUNNING if n >= 49_990 else JobState.QUEUED))
    taken = subscription.take()
    assert len(taken) <= 1010
    newest = {each.id: each.state for each in taken}
    assert newest == {f"job-{n}": JobState.RUNNING for n in range(10)}


async def test_many_jobs_at_once_are_all_kept():
    bus = Bus()
    subscription = bus.subscribe()
    for n in range(5000):
        bus.publish(record(f"job-{n}"))
    assert len(subscription.take()) == 5000


async def test_a_machine_that_is_no_more_is_never_passed_over():
    bus = Bus()
    subscription = bus.subscribe()
    machine = MachineRecord("same", "train", "u", "place", MachineState.RUNNING, 0.0)
    gone = MachineGone("same", "train", "u")
    bus.publish(record("same", JobState.RUNNING))
    for change in [machine] * 2000 + [gone]:
        bus.publish(change)
    taken = subscription.take()
    assert (taken[0].state, taken[-1]) == (JobState.RUNNING, gone)
    assert len(taken) <= 1010
