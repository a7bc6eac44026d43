"""``Client``, ``Job`` and ``Jobs``: the same methods as their asynchronous twins, blocking."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from qwex.client.api import AsyncClient
from qwex.client.blocking import BlockingTransport
from qwex.client.completed import completed
from qwex.client.face import Face, blocking, blocking_iterator, drive, iterate
from qwex.client.job import AsyncJob, AsyncJobs
from qwex.client.show import Shown, ShownMany
from qwex.errors import QwexError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from types import TracebackType

    from qwex.client.files import Files
    from qwex.client.http import Transport
    from qwex.config import Settings
    from qwex.machines import MachineRecord
    from qwex.record import JobRecord
    from qwex.spec import JobSpec
    from qwex.state import JobState

__all__ = ["Client", "Job", "Jobs", "as_completed"]


class _BlockingClient(AsyncClient):
    """An ``AsyncClient`` whose coroutines never suspend."""

    def _transport(self) -> Transport:
        return BlockingTransport()


class Client(Face):
    """Talks to a controller: the one ``QWEX_URL`` names, else your own, started when it is not there.

    May be shared by threads. Works inside a running event loop, blocking it; there, ``AsyncClient`` doesn't.
    """

    inner: AsyncClient

    def __init__(self, settings: Settings | None = None, *, start: bool = True) -> None:
        self.inner = _BlockingClient(settings, start=start)

    @property
    def settings(self) -> Settings:
        """The settings it was made with."""
        return self.inner.settings

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, spec: JobSpec | dict[str, Any], *, run_id: str | None = None) -> Job:
        """Submit a job; it is durable when this returns. The same ``run_id`` and spec twice is one job.

        Raises:
            InvalidSpec: the job cannot run as described; nothing was stored.
        """
        return Job(drive(self.inner.submit(spec, run_id=run_id)))

    def submit_many(self, specs: Iterable[JobSpec | dict[str, Any]]) -> Jobs:
        """Submit all of them or none, in one request."""
        return Jobs(drive(self.inner.submit_many(specs)))

    def job(self, run_id: str) -> Job:
        """The job with that id.

        Raises:
            NotFound: there is none.
        """
        return Job(drive(self.inner.job(run_id)))

    def resubmit(self, run_id: str, **changes: Any) -> Job:
        """The same job again, as a new one; ``changes`` are fields of its spec."""
        return Job(drive(self.inner.resubmit(run_id, **changes)))

    def start_machine(self, name: str, **changes: Any) -> MachineRecord:
        """Have it run; ``changes`` are fields of its spec, such as ``resources={"gpu": "2"}``. No effect when it does.

        Raises:
            InvalidSpec: the changes do not make a machine that can run; it stays as it is.
        """
        return drive(self.inner.start_machine(name, **changes))

    def change_machine(self, name: str, **changes: Any) -> MachineRecord:
        """Change ``idle``, ``max_age`` or ``keys``, without starting or stopping it; None takes a limit away.

        ``add_keys`` has lines of public keys to let in beside the others, ``remove_keys`` names of keys, as the record
        has them, or their fingerprints.

        Raises:
            InvalidSpec: those are no such changes; it stays as it is.
            BackendUnavailable: it cannot be told now. Where that left it halfway, it is brought back to what it was.
        """
        return drive(self.inner.change_machine(name, **changes))

    close = blocking(AsyncClient.close)
    spec = blocking(AsyncClient.spec)
    description = blocking(AsyncClient.description)
    notebook = blocking(AsyncClient.notebook)
    list = blocking(AsyncClient.list)
    counts = blocking(AsyncClient.counts)
    glance = blocking(AsyncClient.glance)
    elsewhere = blocking(AsyncClient.elsewhere)
    cancel = blocking(AsyncClient.cancel)
    gc = blocking(AsyncClient.gc)
    why = blocking(AsyncClient.why)
    files = blocking(AsyncClient.files)
    add_file = blocking(AsyncClient.add_file)
    metrics = blocking(AsyncClient.metrics)
    trackers = blocking(AsyncClient.trackers)
    preflight = blocking(AsyncClient.preflight)
    queues = blocking(AsyncClient.queues)
    gpus = blocking(AsyncClient.gpus)
    backends = blocking(AsyncClient.backends)
    plugins = blocking(AsyncClient.plugins)
    whoami = blocking(AsyncClient.whoami)
    health = blocking(AsyncClient.health)
    value = blocking(AsyncClient.value)
    load_value = blocking(AsyncClient.load_value)
    put_blob = blocking(AsyncClient.put_blob)
    put_file = blocking(AsyncClient.put_file)
    create_machine = blocking(AsyncClient.create_machine)
    machines = blocking(AsyncClient.machines)
    machine = blocking(AsyncClient.machine)
    stop_machine = blocking(AsyncClient.stop_machine)
    delete_machine = blocking(AsyncClient.delete_machine)
    machine_why = blocking(AsyncClient.machine_why)
    machine_events = blocking(AsyncClient.machine_events)
    preflight_machine = blocking(AsyncClient.preflight_machine)
    file = blocking_iterator(AsyncClient.file)
    events = blocking_iterator(AsyncClient.events)
    logs = blocking_iterator(AsyncClient.logs)
    watch = blocking_iterator(AsyncClient.watch)
    follow_machine = blocking_iterator(AsyncClient.follow_machine)


class Job(Face, Shown):
    """A job, like a ``concurrent.futures.Future``; ``await job`` works too, and blocks no event loop."""

    inner: AsyncJob

    def __init__(self, inner: AsyncJob) -> None:
        self.inner = inner

    @property
    def record(self) -> JobRecord:  # type: ignore[override]
        """What was last heard of the job; ``status()`` asks."""
        return self.inner.record

    @property
    def state(self) -> JobState:
        """The job's state now: asks the controller, until the job has ended."""
        return self.status().state

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """What a notebook shows: the job as it is now. ``repr`` and ``print`` ask nobody and show what is known."""
        with contextlib.suppress(QwexError):
            self.status()
        return {**super()._repr_mimebundle_(), "text/plain": repr(self), "text/html": self._repr_html_()}

    status = blocking(AsyncJob.status)
    done = blocking(AsyncJob.done)
    running = blocking(AsyncJob.running)
    cancelled = blocking(AsyncJob.cancelled)
    wait = blocking(AsyncJob.wait)
    result = blocking(AsyncJob.result)
    exception = blocking(AsyncJob.exception)
    cancel = blocking(AsyncJob.cancel)
    why = blocking(AsyncJob.why)
    add_file = blocking(AsyncJob.add_file)
    metrics = blocking(AsyncJob.metrics)
    notebook = blocking(AsyncJob.notebook)
    value = blocking(AsyncJob.value)
    values = blocking(AsyncJob.values)
    events = blocking_iterator(AsyncJob.events)
    logs = blocking_iterator(AsyncJob.logs)

    @property
    def files(self) -> Files:
        """What it has left in ``QWEX_FILES`` by now: ``job.files["model.pt"].open()``."""
        from qwex.client.files import Files

        client = self.inner.client
        return Files(drive(client.files(self.id)), lambda file: iterate(client.file(self.id, file)))

    def resubmit(self, **changes: Any) -> Job:
        """The same job again, as a new one; ``changes`` are fields of its spec."""
        return Job(drive(self.inner.resubmit(**changes)))

    def add_done_callback(self, callback: Callable[[Job], object]) -> None:
        """Call ``callback(job)`` once the job has ended, from a thread of its own; at once if it has."""
        threading.Thread(target=self._call_back, args=(callback,), name=f"qwex {self.id}", daemon=True).start()

    def _call_back(self, callback: Callable[[Job], object]) -> None:
        try:
            self.wait()
            callback(self)
        except Exception:
            import logging

            logging.getLogger("qwex.client").exception("a done callback of %s failed", self.id)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._await().__await__()

    async def _await(self) -> Any:
        async with AsyncClient(self.inner.client.settings) as client:
            return await AsyncJob(client, self.record).result()


class Jobs(Face, ShownMany, Sequence[Job]):
    """Several jobs, in order."""

    inner: AsyncJobs

    def __init__(self, inner: AsyncJobs) -> None:
        self.inner = inner
        self.total = inner.total
        self._jobs = [Job(job) for job in inner]

    def __len__(self) -> int:
        return len(self._jobs)

    @overload
    def __getitem__(self, index: int) -> Job: ...
    @overload
    def __getitem__(self, index: slice) -> Jobs: ...
    def __getitem__(self, index: int | slice) -> Job | Jobs:
        return Jobs(self.inner[index]) if isinstance(index, slice) else self._jobs[index]

    @property
    def records(self) -> list[JobRecord]:  # type: ignore[override]
        """What was last heard of each."""
        return self.inner.records

    def as_completed(self, timeout: float | None = None) -> Iterator[Job]:
        """Each job as it ends, those that have ended first, for at most ``timeout`` seconds.

        Raises:
            JobNotDone: ``timeout`` seconds have passed, and some have not ended; they go on.
        """
        return as_completed(self._jobs, timeout)

    wait = blocking(AsyncJobs.wait)
    results = blocking(AsyncJobs.results)
    cancel = blocking(AsyncJobs.cancel)


def as_completed(jobs: Iterable[Job], timeout: float | None = None) -> Iterator[Job]:
    """Each job as it ends, like ``concurrent.futures.as_completed``; the jobs are of one controller.

    Raises:
        JobNotDone: ``timeout`` seconds have passed, and some have not ended; they go on.
    """
    faces = {id(job.inner): job for job in jobs}
    for inner in iterate(completed([job.inner for job in faces.values()], timeout)):
        yield faces[id(inner)]
