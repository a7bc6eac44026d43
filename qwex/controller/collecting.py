"""What ``qwex gc`` does: ended jobs that are old enough go with all they left, then blobs that nobody needs any more.

Deleting cannot be undone, so what is in doubt stays, and the report says why. A job goes piece by piece, its row last:
what a kill has kept from being removed is removed the next time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from qwex.controller.job import taken
from qwex.controller.removing import UNTOLD
from qwex.errors import QwexError
from qwex.record import Collected, Stays

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from qwex.controller.auth import Caller
    from qwex.controller.eventlog import Logs
    from qwex.controller.job import LiveJob
    from qwex.controller.registry import Registry
    from qwex.controller.removing import Removing
    from qwex.controller.store import Store
    from qwex.controller.sweeping import Sweeping

__all__ = ["Collecting"]

log = logging.getLogger(__name__)

#: Seconds after which a collection that is asked for is answered, though it goes on; clients wait for a minute.
_ANSWER = 45.0
#: Seconds between the start and the first look at whether a collection is due, between two looks, and two collections.
_FIRST, _LOOK, _DAY = 300.0, 3600.0, 86_400.0
#: Jobs that are removed at a time.
_MANY = 100
#: Ids that a report has.
_SHOWN = 1000
_STRAYS = (
    "the database does not have the jobs of {count:,} of the logs here, so it may not be the one by which blobs were "
    "kept. Logs go with qwex gc --older once they are that old, and then blobs do, too"
)


class _Tally:
    """A report in the making."""

    def __init__(self, *, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.jobs: list[str] = []
        self.counts: Counter[str] = Counter()
        self.stay: Counter[str] = Counter()
        #: Backends that cannot be asked now, and why.
        self.away: dict[str, str] = {}
        self.elsewhere_since: float | None = None
        self.problems: list[str] = []

    def report(self, *, unfinished: bool) -> Collected:
        """As it stands."""
        told: dict[str, Any] = {
            **self.counts,
            "ids": tuple(self.jobs[:_SHOWN]),
            "elsewhere_since": self.elsewhere_since,
            "stay": tuple(Stays(jobs, why) for why, jobs in self.stay.items() if jobs),
            "problems": tuple(dict.fromkeys(self.problems)),
        }
        return Collected(dry_run=self.dry_run, jobs=len(self.jobs), unfinished=unfinished, **told)


class Collecting:
    """One collection at a time; ``keep`` is how long ended jobs are kept, None for ever."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        logs: Logs,
        removing: Removing,
        sweeping: Sweeping | None,
        keep: float | None,
        memo: Path,
    ) -> None:
        self._registry = registry
        self._store = store
        self._logs = logs
        self._removing = removing
        self._sweeping = sweeping
        self._keep = keep
        #: When the last collection of all users' was, by the file's time, and whose blobs are left to look through.
        self._memo = memo
        self._at_once = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def is_busy(self) -> bool:
        """Whether something is being removed."""
        return self._at_once.locked()

    def start(self) -> None:
        """Collect daily, if ended jobs are not kept for ever."""
        if self._keep is not None:
            self._spawn(self._daily(self._keep))

    async def close(self) -> None:
        """Remove nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def ask(self, caller: Caller, older: float | None, *, dry_run: bool) -> Collected:
        """Remove the caller's jobs that ended so long ago, and blobs of theirs that nobody needs.

        Without ``older`` jobs go that the settings do not keep. What takes long is told of as it stands, and goes on.
        """
        tally = _Tally(dry_run=dry_run)
        age = self._keep if older is None else older
        work = self._collect([caller.user], age, tally, all_logs=caller.is_local)
        task = self._spawn(work)
        await asyncio.wait({task}, timeout=_ANSWER)
        if task.done():
            task.result()
        else:
            task.add_done_callback(_report_failure)
        return tally.report(unfinished=not task.done())

    async def _daily(self, keep: float) -> None:
        await asyncio.sleep(_FIRST)
        while True:
            try:
                if time.time() - self._last() >= _DAY:
                    await self._collect_all(keep)
            except Exception:
                log.exception("old jobs could not be removed; it is tried again")
            await asyncio.sleep(_LOOK)

    def _last(self) -> float:
        try:
            return self._memo.stat().st_mtime
        except FileNotFoundError:
            return 0.0

    async def _collect_all(self, keep: float) -> None:
        """What every user has that is old enough; what was left of their blobs last time is looked through again."""
        users = sorted({*await self._store.users(), *self._remembered()})
        tally = _Tally(dry_run=False)
        left = await self._collect(users, keep, tally, all_logs=True)
        part = self._memo.with_suffix(".part")
        part.write_text(json.dumps(left), encoding="utf-8")
        os.replace(part, self._memo)
        log.info("collected: %s", tally.report(unfinished=False))

    def _remembered(self) -> list[str]:
        try:
            return [str(user) for user in json.loads(self._memo.read_text("utf-8"))]
        except (FileNotFoundError, ValueError, TypeError):
            return []

    async def _collect(self, users: Sequence[str], age: float | None, tally: _Tally, *, all_logs: bool) -> list[str]:
        """The users that have blobs still, as far as is known."""
        async with self._at_once:
            now = time.time()
            strays = await self._strays()
            tally.counts["live"] = sum(job.record.user in users for job in self._registry)
            if age is not None:
                for user in users:
                    await self._remove_jobs(user, now - age, tally)
                if all_logs:
                    strays = await self._remove_logs(strays, now - age, tally)
            if self._sweeping is None:
                return []
            if strays:
                tally.problems.append(_STRAYS.format(count=len(strays)))
                return list(users)
            return [user for user in users if await self._sweep(self._sweeping, user, tally)]

    async def _strays(self) -> dict[str, float]:
        """Logs of jobs that the database does not have, and when each was last written to."""
        # In this order: a job's row is there before its log is, and goes after it.
        found = await asyncio.to_thread(self._logs.all)
        known = await self._store.ids()
        return {run_id: at for run_id, at in found.items() if run_id not in known}

    async def _remove_jobs(self, user: str, before: float, tally: _Tally) -> None:
        await self._store.writer.flush()
        tally.stay[UNTOLD] += await self._store.untold(user, before)
        async for jobs in self._ended(user, before):
            if tally.dry_run:
                tally.jobs += [job.id for job in jobs]
                tally.counts["bytes"] += await asyncio.to_thread(self._removing.size, jobs)
                continue
            removed = await self._removing.remove(jobs, tally.away)
            tally.jobs += removed.ids
            tally.counts["bytes"] += removed.bytes
            tally.stay.update(removed.stay)

    async def _ended(self, user: str, before: float) -> AsyncIterator[list[LiveJob]]:
        """The user's jobs that ended before then and of which nothing is left to be told, oldest first."""
        after = 0
        while rows := await self._store.ended(user, before, after, _MANY):
            after = rows[-1]["seq"]
            # What is in memory is about to be written.
            yield [*taken(row for row in rows if self._registry.get(row["id"]) is None)]

    async def _remove_logs(self, strays: Mapping[str, float], before: float, tally: _Tally) -> dict[str, float]:
        """Remove logs without a job that are old enough; those that are not."""
        old = [run_id for run_id, at in strays.items() if at < before]
        work = self._logs.size if tally.dry_run else self._logs.remove
        tally.counts["bytes"] += await asyncio.to_thread(lambda: sum(map(work, old)))
        tally.counts["logs"] += len(old)
        return {run_id: at for run_id, at in strays.items() if at >= before}

    async def _sweep(self, sweeping: Sweeping, user: str, tally: _Tally) -> bool:
        """Whether the user has blobs still, as far as that is known."""
        await self._store.writer.flush()
        known, digests = await self._store.named(user, set(tally.jobs) if tally.dry_run else ())
        try:
            swept = await sweeping.sweep(user, known, digests, dry_run=tally.dry_run)
        except QwexError as error:
            tally.problems.append(error.message)
            return True
        tally.counts.update(blobs=swept.blobs, bytes=swept.bytes, waiting=swept.waiting, elsewhere=swept.needs.unended)
        if swept.needs.since is not None:
            tally.elsewhere_since = min(swept.needs.since, tally.elsewhere_since or swept.needs.since)
        return swept.left > 0

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _report_failure(task: asyncio.Task[Any]) -> None:
    """Who asked for the collection has had an answer."""
    if not task.cancelled() and (error := task.exception()):
        log.error("a collection has failed that was answered before its end", exc_info=error)
