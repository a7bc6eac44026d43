from __future__ import annotations

import pytest

from qwex.changes import Changes
from qwex.state import JobState, JobStatus

pytestmark = pytest.mark.anyio
QUEUED, RUNNING = JobStatus(JobState.QUEUED), JobStatus(JobState.RUNNING)


async def test_each_listener_hears_what_is_told_from_its_watch_on():
    changes = Changes()
    early = changes.watch()
    changes.tell("a", QUEUED)
    late = changes.watch()
    changes.tell("a", RUNNING)
    changes.end()
    assert [change async for change in early] == [("a", QUEUED), ("a", RUNNING)]
    assert [change async for change in late] == [("a", RUNNING)]


async def test_a_listener_that_leaves_is_forgotten():
    changes = Changes()
    watch = changes.watch()
    changes.tell("a", QUEUED)
    assert await anext(watch) == ("a", QUEUED)
    await watch.aclose()
    assert not changes._listeners
