"""What is left of a job in a shared artifact store: its log, its values and files, and last a manifest of them.

It is told of jobs as a tracker is, so that what a store that is away has missed is stored later, also after a restart.
``users/<user>/jobs/<run id>/events.jsonl`` is the event log; ``manifest.json`` beside it says that all is there.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, ClassVar

from qwex.backend import Capability
from qwex.controller.blobs import home_of
from qwex.controller.eventlog import stored
from qwex.controller.records import find
from qwex.errors import ArtifactsUnavailable, BackendUnavailable, ConfigError, InvalidSpec, NotFound
from qwex.tracker import Tracked, TrackedJob, Tracker, TrackerContext, TrackerUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from qwex.controller.artifacts import Artifacts
    from qwex.controller.backends import Backends
    from qwex.controller.blobs import Blobs
    from qwex.controller.parcels import Parcels
    from qwex.events import Event

__all__ = ["Archive"]

_VERSION = 1


class Archive(Tracker):
    """Stores what ended jobs leave. Begins nothing, and gives jobs nothing."""

    name: ClassVar[str] = "artifacts"
    types: ClassVar[frozenset[str]] = frozenset()
    keeps_files: ClassVar[bool] = True

    def __init__(
        self, context: TrackerContext, artifacts: Artifacts, blobs: Blobs, backends: Backends, parcels: Parcels
    ) -> None:
        super().__init__(context)
        self._artifacts = artifacts
        self._blobs = blobs
        self._backends = backends
        self._parcels = parcels

    async def begin(self, job: TrackedJob, *, again: bool) -> Tracked:
        """Nothing to do yet."""
        return Tracked()

    async def record(self, job: TrackedJob, events: Sequence[Event]) -> None:
        """The log is stored at the end."""

    async def end(self, job: TrackedJob) -> None:
        """Store the log, the values and files, and last the manifest.

        Raises:
            TrackerUnavailable: the store or the backend is away; what is stored already is not sent again.
        """
        assert job.log is not None
        values = await asyncio.to_thread(_values, job.log, job.attempt)
        folder = f"{home_of(job.record.user)}/jobs/{job.run_id}"
        try:
            if job.log.exists():
                await self._artifacts.put_files({f"{folder}/events.jsonl": job.log}, replace=True)
            lost = [each["name"] for each in values if not await self._keep(job, each)]
            manifest = json.dumps(_manifest(job, values, lost), indent=2, ensure_ascii=False)
            await self._artifacts.put(f"{folder}/manifest.json", _once(manifest.encode()), replace=True)
            if self._is_fleeting(job.record.backend):
                await self._parcels.remove(job.record.user, job.run_id)
        except (ArtifactsUnavailable, BackendUnavailable, ConfigError) as error:
            raise TrackerUnavailable(str(error)) from error

    async def _keep(self, job: TrackedJob, value: dict[str, Any]) -> bool:
        """Whether the value is there now; False of one that nobody has any more, or whose bytes are others by now."""
        if await self._blobs.exists(job.record.user, value["digest"]):
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


def _values(log: Path, attempt: int) -> list[dict[str, Any]]:
    """By their names the last ones: a file that was added may replace one."""
    found = (value for lines in stored(log) for value in find(lines, "value") if value["attempt"] == attempt)
    return list({value["name"]: value for value in found}.values())


def _manifest(job: TrackedJob, values: list[dict[str, Any]], lost: list[str]) -> dict[str, Any]:
    record, there = job.record, [value for value in values if value["name"] not in lost]
    facts = (
        "name",
        "user",
        "state",
        "reason",
        "message",
        "exit_code",
        "attempt",
        "created_at",
        "started_at",
        "ended_at",
    )
    return {
        "version": _VERSION,
        "run_id": record.id,
        **{name: getattr(record, name) for name in facts},
        "log": "events.jsonl",
        "files": sorted(
            ({key: value[key] for key in ("path", "size", "digest")} for value in there if "path" in value),
            key=lambda file: str(file["path"]),
        ),
        "values": [
            {key: value[key] for key in ("name", "type_name", "format", "python", "size", "digest")}
            for value in there
            if "path" not in value
        ],
        "lost": lost,
    }


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
