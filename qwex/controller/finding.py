"""Jobs by their id or by a filter, as they stand now: in memory, in the store, or in another controller's care."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.controller import elsewhere
from qwex.controller.job import LiveJob, record_of
from qwex.controller.store import Filter
from qwex.errors import NotFound
from qwex.spec import JobSpec
from qwex.state import JobState, WaitReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.controller.auth import Caller
    from qwex.controller.backends import Backends
    from qwex.controller.registry import Registry
    from qwex.controller.store import Store
    from qwex.record import JobRecord

__all__ = ["Finding", "Listing"]

#: The jobs among which one is looked for by its name.
_LATE = 100


class Listing(NamedTuple):
    """A page of records."""

    records: list[JobRecord]
    next_cursor: str | None
    total: int


class Finding:
    """What is in memory wins over its row, which follows within moments."""

    def __init__(self, registry: Registry, store: Store, backends: Backends) -> None:
        self._registry = registry
        self._store = store
        self._backends = backends

    async def page(self, wanted: Filter, limit: int, cursor: str | None, order: str = "created") -> Listing:
        """Some of the jobs that match, in one of the store's orders."""
        await self._store.writer.flush()
        page = await self._store.page(wanted, limit, cursor, order)
        records = [self.as_it_stands(self._newest(record_of(row))) for row in page.rows]
        return Listing(records, page.next_cursor, page.total)

    async def counts(self, wanted: Filter) -> dict[str, int]:
        """How many of the jobs that match are in each state."""
        await self._store.writer.flush()
        found = await self._store.counts(wanted)
        return {state.value: found.get(state.value, 0) for state in JobState}

    async def job(self, run_id: str) -> LiveJob:
        """Any job.

        Raises:
            NotFound: there is none here; says where else it is, where that is known.
        """
        found = self._registry.get(run_id)
        if found is None:
            row = await self._store.row(run_id)
            found = self._registry.get(run_id) or (LiveJob.of_row(row) if row else None)
        if found is None:
            raise await self._named(run_id) or await elsewhere.missing(run_id, self._backends)
        return found

    async def records(self, run_ids: Sequence[str]) -> list[JobRecord]:
        """Those of the jobs that there are, in that order, as they stand."""
        live = {run_id: job.record for run_id in run_ids if (job := self._registry.get(run_id))}
        rows = await self._store.rows([run_id for run_id in run_ids if run_id not in live])
        found = {**{row["id"]: self._newest(record_of(row)) for row in rows}, **live}
        return [self.as_it_stands(found[run_id]) for run_id in run_ids if run_id in found]

    def cell(self, run_id: str) -> dict[str, Any] | None:
        """The cell that a notebook's job began last, of one that has not ended, if that is in memory."""
        live = self._registry.get(run_id)
        return live.cell if live else None

    async def own(self, run_id: str, caller: Caller) -> LiveJob:
        """A job that is the caller's to read whole and to change.

        Raises:
            NotFound: there is none.
            NotAuthorized: it is another user's.
        """
        job = await self.job(run_id)
        caller.require(job.record)
        return job

    async def spec(self, run_id: str) -> JobSpec:
        """What the job's user described, with a site's changes.

        Raises:
            NotFound: there is no such job.
        """
        text = await self._store.spec(run_id)
        if text is None:
            raise NotFound(f"no job {run_id!r}. See them with: qwex list")
        return JobSpec.model_validate_json(text)

    def as_it_stands(self, record: JobRecord) -> JobRecord:
        """The record; of a job that has not ended with what keeps its backend from being asked."""
        why = self._backends.trouble(record.backend)
        if not why or record.state.terminal:
            return record
        return dataclasses.replace(record, reason=WaitReason.BACKEND_UNAVAILABLE.value, message=why)

    def _newest(self, record: JobRecord) -> JobRecord:
        live = self._registry.get(record.id)
        return live.record if live else record

    async def _named(self, name: str) -> NotFound | None:
        """The error of one who gave a job's name for its id; None where no job of late has that name."""
        page = await self._store.page(Filter(name=name), _LATE, None)
        newest = next((row["id"] for row in page.rows if row["name"].removesuffix(".py") == name), None)
        return NotFound(f"no job {name!r}; the newest of that name is {newest}") if newest else None
