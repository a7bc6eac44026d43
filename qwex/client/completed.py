"""Jobs in the order in which they end, told by the one stream of changes that a controller has."""

from __future__ import annotations

import json
import time
from contextlib import aclosing
from typing import TYPE_CHECKING

from qwex.client.follow import Patience
from qwex.client.http import DeadlineError, LostError
from qwex.client.sse import frames
from qwex.errors import ControllerUnavailable, JobNotDone
from qwex.record import JobRecord

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence

    from qwex.client.api import AsyncClient
    from qwex.client.job import AsyncJob

__all__ = ["completed"]

#: The most one answer of the API holds.
_PAGE = 1000


async def completed(jobs: Iterable[AsyncJob], timeout: float | None) -> AsyncGenerator[AsyncJob, None]:
    """Each of the jobs once, as it ends; those that have ended come first. All are of one controller.

    Raises:
        JobNotDone: ``timeout`` seconds have passed, and some have not ended.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    known = list(dict.fromkeys(jobs))
    pending = [job for job in known if not job.record.state.terminal]
    for job in known:
        if job.record.state.terminal:
            yield job
    try:
        async with aclosing(_ends(pending, deadline)) as ends:
            async for job in ends:
                yield job
    except DeadlineError:
        left = sum(not job.record.state.terminal for job in pending)
        message = f"{left} of {len(known)} jobs have not ended after {timeout:g} s, and go on"
        raise JobNotDone(message) from None


async def _ends(pending: Sequence[AsyncJob], deadline: float | None) -> AsyncGenerator[AsyncJob, None]:
    left = list(pending)
    if not left:
        return
    async with aclosing(_records(left, deadline)) as records:
        async for record in records:
            for job in [job for job in left if job.id == record.id]:
                job.record = record
                if record.state.terminal:
                    left.remove(job)
                    yield job
            if not left:
                return


async def _records(left: Sequence[AsyncJob], deadline: float | None) -> AsyncGenerator[JobRecord, None]:
    """Records of the jobs as they are once the stream has begun, then of every job that changes."""
    client = left[0].client
    patience = Patience(client.session)
    while True:
        try:
            async with aclosing(client.session.stream("/events", deadline=deadline)) as body:
                # The first bytes say that no change is missed from here on. What changed before has to be asked for.
                first = await anext(body, b"")
                for record in await _now(client, list(left)):
                    yield record
                async for frame in frames(_with(first, body)):
                    patience.heard()
                    yield JobRecord.from_dict(json.loads(frame.data))
            raise LostError("the controller ended the stream")
        except (LostError, ControllerUnavailable) as error:
            await patience.lost(error, deadline)


async def _with(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


async def _now(client: AsyncClient, jobs: Sequence[AsyncJob]) -> list[JobRecord]:
    """The jobs as they are: an array's in a few answers, others one by one."""
    groups = {job.record.group for job in jobs}
    group = groups.pop() if len(groups) == 1 else None
    if group is None:
        return [(await client.job(job.id)).record for job in jobs]
    records: list[JobRecord] = []
    cursor: str | None = None
    while True:
        page = await client.list(group=group, limit=_PAGE, cursor=cursor)
        records += page.records
        cursor = page.next_cursor
        if cursor is None:
            return records
