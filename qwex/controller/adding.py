"""Files that people add to what a job has left: a report on a model, a plot made later."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING, Any

from qwex import events
from qwex.errors import Conflict, InvalidSpec, NotFound
from qwex.record import JobFile

if TYPE_CHECKING:
    from qwex.controller.auth import Caller
    from qwex.controller.blobs import Blobs
    from qwex.controller.eventlog import Logs
    from qwex.controller.finding import Finding
    from qwex.controller.job import LiveJob
    from qwex.controller.store import Store
    from qwex.controller.tracking import Tracking

__all__ = ["Adding"]

_LONGEST = 1000


class Adding:
    """Writes them into the job's log, as the records of its own files are, and marks them as added."""

    def __init__(self, finding: Finding, store: Store, logs: Logs, blobs: Blobs | None, tracking: Tracking) -> None:
        self._finding = finding
        self._store = store
        self._logs = logs
        self._blobs = blobs
        self._tracking = tracking
        #: Held while what ended jobs have left is changed.
        self.changing = asyncio.Lock()

    async def add(self, run_id: str, path: str, digest: str, caller: Caller) -> JobFile:
        """Add a file whose bytes were uploaded as a blob; one that was added before under that path is replaced.

        Raises:
            InvalidSpec: that is no path, or there are no such bytes.
            Conflict: the job has not ended, or left a file of that path itself.
        """
        _check(path)
        async with self.changing:
            job = await self._finding.own(run_id, caller)
            if not job.record.state.terminal:
                raise Conflict(f"{run_id} has not ended; a job leaves files itself, in the folder $QWEX_FILES")
            job = self._tracking.waiting(run_id) or job
            name = "file_" + hashlib.sha256(path.encode()).hexdigest()[:32]
            known = job.produced.get(name)
            if known and known["attempt"] == job.record.attempt and not known.get("added"):
                raise Conflict(f"{run_id} has left a file {path!r} itself; add yours under another path")
            size = await self._size(job.record.user, digest, caller)
            said = {"name": name, "path": path, "size": size, "digest": digest, "added": True}
            await self._record(job, {**said, "format": "bytes", "type_name": "file", "python": ""})
        return JobFile(path, size, digest, name)

    async def _size(self, owner: str, digest: str, caller: Caller) -> int:
        if self._blobs is None:
            raise NotFound("this controller keeps no blobs: no plugin brings the artifact store 'file'")
        await self._blobs.share(caller.user, owner, [digest])
        if (size := await self._blobs.size(owner, digest)) is None:
            raise InvalidSpec.of("digest", f"no blob {digest}; upload it first with PUT /blobs/{digest}")
        return size

    async def _record(self, job: LiveJob, value: dict[str, Any]) -> None:
        story = self._logs.write(job.record)
        try:
            story.append(events.encode("value", time.time(), job.record.attempt, **value), essential=True)
            story.end()
            await asyncio.to_thread(story.sync)
        finally:
            self._logs.release(story)
        job.produced = {**job.produced, value["name"]: {**value, "attempt": job.record.attempt}}
        self._store.writer.update(job.id, job.mutable())
        await self._store.writer.flush()
        self._tracking.added(job)


def _check(path: str) -> None:
    parts = path.split("/")
    if len(path) > _LONGEST or any(part in ("", ".", "..") for part in parts) or not path.isprintable() or "\\" in path:
        raise InvalidSpec.of("path", f"{path[:80]!r} is no path within a folder, such as reports/loss.png")
