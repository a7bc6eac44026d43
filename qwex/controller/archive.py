"""What is left of a job in a shared artifact store: its log, its values and files, and last a manifest of them.

It is told of jobs as a tracker is, so that what a store that is away has missed is stored later, also after a restart.
``users/<user>/jobs/<run id>/events.jsonl`` is the event log; ``manifest.json`` beside it says that all is there. Of a
job that has not ended there is what ``claims`` says.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from qwex.artifacts import one_chunk
from qwex.backend import Capability
from qwex.controller.claims import INPUTS, MANIFEST, MANIFEST_VERSION, folder_of
from qwex.controller.eventlog import stored
from qwex.controller.records import find, values_in
from qwex.errors import (
    ArtifactsUnavailable,
    BackendUnavailable,
    ConfigError,
    InvalidSpec,
    NotAuthorized,
    NotFound,
)
from qwex.tracker import Tracked, TrackedJob, Tracker, TrackerContext, TrackerUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from qwex.controller.artifacts import Artifacts
    from qwex.controller.backends import Backends
    from qwex.controller.blobs import Blobs
    from qwex.controller.claims import Claims
    from qwex.controller.parcels import Parcels
    from qwex.events import Event

__all__ = ["LOG", "Archive"]

LOG = "events.jsonl"

#: The fields of a record that a manifest has.
_FACTS = ("name", "user", "state", "reason", "message", "exit_code", "attempt", "created_at", "started_at", "ended_at")


class Archive(Tracker):
    """Says what jobs need while they have not ended, and stores what they leave. Gives them nothing."""

    name: ClassVar[str] = "artifacts"
    types: ClassVar[frozenset[str]] = frozenset()
    keeps_files: ClassVar[bool] = True

    def __init__(
        self,
        context: TrackerContext,
        artifacts: Artifacts,
        blobs: Blobs,
        claims: Claims,
        backends: Backends,
        parcels: Parcels,
    ) -> None:
        super().__init__(context)
        self._artifacts = artifacts
        self._blobs = blobs
        self._claims = claims
        self._backends = backends
        self._parcels = parcels

    async def begin(self, job: TrackedJob, *, again: bool) -> Tracked:
        """Say which blobs it needs, so that no other controller removes them."""
        if needed := {each["digest"] for each in _inputs(job)}:
            with _told_later():
                await self._claims.write(job.record.user, job.run_id, INPUTS, needed)
        return Tracked()

    async def record(self, job: TrackedJob, events: Sequence[Event]) -> None:
        """The log is stored at the end."""

    async def end(self, job: TrackedJob) -> None:
        """Store the log, the values and files, and last the manifest.

        Raises:
            TrackerUnavailable: the store or the backend is away; what is stored already is not sent again.
        """
        assert job.log is not None
        values, was_read = await asyncio.to_thread(_told, job.log, job.attempt)
        folder = folder_of(job.record.user, job.run_id)
        with _told_later():
            if job.log.exists():
                await self._artifacts.put_files({f"{folder}/{LOG}": job.log}, replace=True)
            lost = [each["name"] for each in values if not await self._keep(job, each)]
            manifest = json.dumps(_manifest(job, values, lost), indent=2, ensure_ascii=False)
            await self._artifacts.put(f"{folder}/{MANIFEST}", one_chunk(manifest.encode()), replace=True)
            await self._claims.drop(job.record.user, job.run_id)
            # What was not read, or not all of it, may be all that there is.
            if was_read and not lost and self._is_fleeting(job.record.backend):
                await self._parcels.remove(job.record.user, job.run_id)

    async def withdraw(self, job: TrackedJob) -> None:
        """It needs nothing any more."""
        await self._claims.drop(job.record.user, job.run_id)

    async def _keep(self, job: TrackedJob, value: dict[str, Any]) -> bool:
        """Whether the value is there now; False of one that nobody has any more, or whose bytes are others by now."""
        if await self._blobs.keeps(job.record.user, value["digest"]):
            return True  # whether its place can be asked or not
        backend = await self._backends.get(job.record.backend)
        try:
            await self._blobs.fetch(job.record.user, job.record.native_id or job.run_id, value, backend)
        except (NotFound, InvalidSpec):
            return False
        return True

    def _is_fleeting(self, backend: str) -> bool:
        kind = self._backends.plugins.backends.get(backend)
        return kind is None or Capability.FLEETING in kind.capabilities


def _told(log: Path, attempt: int) -> tuple[list[dict[str, Any]], bool]:
    """An attempt's values, by their names the last ones, and whether its own last record is there.

    A file that was added may replace one.
    """
    values: dict[str, dict[str, Any]] = {}
    has_end = False
    for lines in stored(log):
        values |= {value["name"]: value for value in values_in(lines) if value["attempt"] == attempt}
        has_end = has_end or any(exit.get("attempt") == attempt for exit in find(lines, "exit"))
    return list(values.values()), has_end


def _manifest(job: TrackedJob, values: list[dict[str, Any]], lost: list[str]) -> dict[str, Any]:
    record, there = job.record, [value for value in values if value["name"] not in lost]
    return {
        "version": MANIFEST_VERSION,
        "run_id": record.id,
        **{name: getattr(record, name) for name in _FACTS},
        "log": LOG,
        "inputs": _inputs(job),
        "files": sorted(
            ({key: value[key] for key in ("path", "size", "digest")} for value in there if "path" in value),
            key=lambda file: str(file["path"]),
        ),
        "values": [
            {key: value.get(key, "") for key in ("name", "type_name", "format", "python", "size", "digest")}
            for value in there
            if "path" not in value
        ],
        "lost": lost,
    }


def _inputs(job: TrackedJob) -> list[dict[str, Any]]:
    """Those that lie in the store, by name."""
    given = job.spec.inputs.items()
    return [{"name": name, "size": each.size, "digest": each.digest} for name, each in given if not each.data]


@contextmanager
def _told_later() -> Iterator[None]:
    """What keeps a store or a backend from being used is over some day."""
    try:
        yield
    except (ArtifactsUnavailable, BackendUnavailable, ConfigError, NotAuthorized) as error:
        raise TrackerUnavailable(str(error)) from error
