"""The backends in use: each made and started when it is first needed, and watched from then on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING, Any

from qwex.backend import Backend, BackendContext, Capability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qwex.backend import ParcelReader
    from qwex.config import Settings
    from qwex.controller.job import LiveJob
    from qwex.controller.registry import Registry
    from qwex.plugins import Plugins
    from qwex.state import JobStatus

__all__ = ["Backends"]

log = logging.getLogger(__name__)

#: Seconds before a watch that failed is begun again: first and longest.
_PAUSE = (0.5, 60.0)
#: Seconds that a backend may take to close.
_CLOSE_SECONDS = 10.0
#: Statuses kept for native ids that no job has yet.
_EARLY = 1000


class Backends:
    """Every backend by name; what their watches say goes to ``on_status``."""

    def __init__(self, plugins: Plugins, settings: Settings, registry: Registry) -> None:
        self.plugins = plugins
        self._settings = settings
        self.registry = registry
        self._started: dict[str, Backend[Any]] = {}
        #: One for each backend: what keeps one from starting holds up no other.
        self._starting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._ahead: set[asyncio.Task[Backend[Any]]] = set()
        self._watches: list[asyncio.Task[None]] = []
        self._watched: set[str] = set()
        self._early: OrderedDict[tuple[str, str], JobStatus] = OrderedDict()
        self._default_queues: dict[str, str] = {}
        #: Why a backend could not be started, by name, for as long as it is so.
        self.unavailable: dict[str, str] = {}
        self.on_status: Callable[[LiveJob, JobStatus], None] = lambda job, status: None
        #: See ``BackendContext``; set before the first is made.
        self.parcels: ParcelReader | None = None

    async def get(self, name: str | None) -> Backend[Any]:
        """The backend, started; without a name the one of the settings.

        Raises:
            UnknownBackend: no plugin brings it.
            PluginError: its plugin could not be loaded.
            QwexError: it could not be started.
        """
        name = name or self._settings.default_backend
        found = self._started.get(name)
        if found is None:
            async with self._starting[name]:
                found = self._started.get(name) or await self._start(name)
        return found

    async def started(self, name: str | None, within: float) -> None:
        """Start a backend; in the background from then on. What keeps it, those are told who need it."""
        task = asyncio.create_task(self.get(name))
        self._ahead.add(task)
        task.add_done_callback(self._had_time)
        await asyncio.wait([task], timeout=within)

    def _had_time(self, task: asyncio.Task[Backend[Any]]) -> None:
        self._ahead.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.info("not started: %s", error)

    def trouble(self, name: str) -> str:
        """Why a backend cannot say where its jobs stand, or says what may be old; empty when it can."""
        started = self._started.get(name)
        return started.trouble if started else self.unavailable.get(name, "")

    def watch(self, name: str) -> None:
        """Pass on what the backend says from now on. Safe to repeat."""
        if name not in self._watched:
            self._watched.add(name)
            self._watches.append(asyncio.create_task(self._watch(self._started[name])))

    def early(self, job: LiveJob) -> JobStatus | None:
        """What the watch said of the job before its submit returned."""
        return self._early.pop((job.record.backend, job.record.native_id or ""), None)

    async def default_queue(self, backend: Backend[Any]) -> str | None:
        """The queue of jobs that name none, where the backend tells."""
        if Capability.QUEUES not in backend.capabilities:
            return None
        if backend.name not in self._default_queues:
            for queue in await backend.queues():
                if queue.default:
                    self._default_queues[backend.name] = queue.name
        return self._default_queues.get(backend.name)

    async def watch_no_more(self) -> None:
        """Hear nothing more of any backend."""
        tasks = [*self._watches, *self._ahead]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Let go of every backend; jobs go on."""
        await self.watch_no_more()
        for backend in self._started.values():
            try:
                await asyncio.wait_for(backend.close(), _CLOSE_SECONDS)
            except Exception:
                # Whatever a backend does at its end, the others and the store are closed.
                log.exception("closing the backend %s", backend.name)

    def __iter__(self) -> Iterator[Backend[Any]]:
        return iter(list(self._started.values()))

    async def _start(self, name: str) -> Backend[Any]:
        try:
            self._started[name] = await self._made(name)
        except Exception as error:
            self.unavailable[name] = str(error) or type(error).__name__
            raise
        self.unavailable.pop(name, None)
        return self._started[name]

    async def _made(self, name: str) -> Backend[Any]:
        kind = self.plugins.backend(name)
        folder = self._settings.folder / name
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        if kind.Settings:
            self._settings.check(name, list(kind.Settings.model_fields))
        backend = kind(BackendContext(folder, self._settings.section(name), self.parcels))
        try:
            await backend.start()
        except BaseException:
            # What it has begun would go on beside the one that is made next.
            with contextlib.suppress(Exception):
                await backend.close()
            raise
        return backend

    async def _watch(self, backend: Backend[Any]) -> None:
        pause = _PAUSE[0]
        while True:
            try:
                async for native_id, status in backend.watch():
                    pause = _PAUSE[0]
                    self._tell(backend.name, native_id, status)
                log.warning("the watch of %s ended; beginning it again", backend.name)
            except Exception:
                log.exception("the watch of %s failed; beginning it again", backend.name)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _PAUSE[1])
            await self._catch_up(backend)

    async def _catch_up(self, backend: Backend[Any]) -> None:
        """What happened while nobody watched."""
        native_ids = [job.record.native_id or "" for job in self.registry if job.record.backend == backend.name]
        try:
            for native_id, status in (await backend.status(native_ids)).items():
                self._tell(backend.name, native_id, status)
        except Exception:
            log.exception("%s does not tell the state of its jobs", backend.name)

    def _tell(self, name: str, native_id: str, status: JobStatus) -> None:
        job = self.registry.by_native(name, native_id)
        if job:
            self.on_status(job, status)
            return
        self._early[name, native_id] = status
        if len(self._early) > _EARLY:
            self._early.popitem(last=False)
