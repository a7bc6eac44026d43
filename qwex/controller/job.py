"""A job that has not ended, as the controller holds it in memory: its record and what the record does not show."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from qwex.controller.tables import MUTABLE, RECORD
from qwex.record import JobRecord
from qwex.state import JobState, JobStatus, Position

if TYPE_CHECKING:
    import asyncio
    from collections import deque
    from collections.abc import Iterable, Iterator, Mapping

    from qwex.controller.eventlog import EventLog
    from qwex.controller.pump import Pump

__all__ = ["LiveJob", "changed", "record_of", "taken"]

log = logging.getLogger(__name__)

#: Values that most jobs share are kept once.
_EMPTY: dict[str, Any] = {}
_SHARED: dict[str, Any] = {}


class LiveJob:
    """Ten thousand of these may wait at once, so there is no task, file or spec in one that does."""

    __slots__ = (
        "cancelling",
        "cell",
        "digest",
        "ending",
        "environment",
        "exit",
        "failures",
        "followers",
        "idempotency_key",
        "inbox",
        "log",
        "losses",
        "owing",
        "position",
        "produced",
        "pump",
        "record",
        "settled",
        "tracked",
        "variables",
    )

    def __init__(self, record: JobRecord, digest: str = "", environment: str | None = None) -> None:
        self.record = record
        self.digest = digest
        self.idempotency_key: str | None = None
        #: Digest of the submitting client's environment.
        self.environment = environment
        #: Variables that trackers gave before it was recorded.
        self.variables: dict[str, str] = _EMPTY
        #: How far each tracker has come: the fields of a ``courier.Place``, by the tracker's name.
        self.tracked: dict[str, Any] = _EMPTY
        #: Output values on the backend, by name: the ``value`` record of each.
        self.produced: dict[str, Any] = _EMPTY
        #: Starts after a failure of the code, and of the place.
        self.failures = 0
        self.losses = 0
        self.cancelling = False
        #: Whether values of an attempt that is over are not here, as far as is known: its place is not let go.
        self.owing = False
        #: Whether nothing is left to do after the end.
        self.settled = False
        #: The last of the runner's records that the log has.
        self.position = Position()
        #: The ``exit`` record of the present attempt.
        self.exit: dict[str, Any] | None = None
        #: Of a notebook the ``cell`` record that was read last.
        self.cell: dict[str, Any] | None = None
        #: Open while the job's log grows.
        self.log: EventLog | None = None
        self.pump: Pump | None = None
        #: Readers that wait for what the job says next.
        self.followers = 0
        #: What the backend said while the end of an attempt was being written.
        self.inbox: deque[JobStatus] | None = None
        self.ending: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        """The run id."""
        return self.record.id

    def mutable(self) -> dict[str, Any]:
        """The columns of the row that may have changed."""
        record, row = vars(self.record), {}
        for name in MUTABLE:
            row[name] = record[name] if name in record else getattr(self, name)
        row["state"] = self.record.state.value
        return row

    def row(self, spec: str) -> dict[str, Any]:
        """The whole row."""
        record = {**vars(self.record), **self.mutable(), "outputs": list(self.record.outputs)}
        more = {"digest": self.digest, "idempotency_key": self.idempotency_key, "environment": self.environment}
        return {**record, **more, "spec": spec}

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> LiveJob:
        """The job as it was last written."""
        job = cls(record_of(row), row["digest"], row["environment"])
        job.idempotency_key = row["idempotency_key"]
        for name in ("variables", "produced", "tracked", "failures", "losses", "cancelling", "settled"):
            setattr(job, name, row[name])
        return job


def taken(rows: Iterable[Mapping[str, Any]]) -> Iterator[LiveJob]:
    """The jobs of the rows; one whose row cannot be read is left alone, and said in the log."""
    for row in rows:
        try:
            yield LiveJob.of_row(row)
        except (ValueError, TypeError, LookupError) as error:
            log.error("the row of the job %s in the database cannot be read and is left alone: %s", row["id"], error)


def changed(record: JobRecord, **changes: Any) -> JobRecord:
    """``dataclasses.replace`` at a quarter of its cost; jobs move often."""
    return JobRecord(**{**vars(record), **changes})


def record_of(row: Mapping[str, Any]) -> JobRecord:
    """The part of a row that the API shows."""
    fields = {name: row[name] for name in RECORD}
    fields["resources"] = _SHARED.setdefault(str(fields["resources"]), fields["resources"])
    return JobRecord(**{**fields, "state": JobState(fields["state"]), "outputs": tuple(fields["outputs"])})
