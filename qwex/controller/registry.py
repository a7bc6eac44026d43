"""The jobs in memory: all that have not ended, and those whose end is not in the store yet."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwex.controller.job import LiveJob

__all__ = ["Registry"]


class Registry:
    """Jobs by run id and by their backend's own id, with counts by user and by environment."""

    def __init__(self) -> None:
        self._jobs: dict[str, LiveJob] = {}
        #: Only ids that differ from the run id.
        self._natives: dict[tuple[str, str], str] = {}
        self.users: Counter[str] = Counter()
        self.environments: Counter[str] = Counter()

    def add(self, job: LiveJob) -> None:
        """Take up a job."""
        self._jobs[job.id] = job
        self.users[job.record.user] += 1
        if job.environment:
            self.environments[job.environment] += 1
        self.named(job)

    def named(self, job: LiveJob, before: str | None = None) -> None:
        """The job may have a native id now; ``before`` is the one it had."""
        native_id = job.record.native_id
        self._natives.pop((job.record.backend, before or ""), None)
        if native_id and native_id != job.id:
            self._natives[job.record.backend, native_id] = job.id

    @contextmanager
    def holding(self, environment: str | None) -> Iterator[None]:
        """Count the environment as needed by a job that is not here yet."""
        if environment is None:
            yield
            return
        self.environments[environment] += 1
        try:
            yield
        finally:
            _one_less(self.environments, environment)

    def remove(self, job: LiveJob) -> None:
        """Let go of a job."""
        del self._jobs[job.id]
        self._natives.pop((job.record.backend, job.record.native_id or ""), None)
        _one_less(self.users, job.record.user)
        if job.environment:
            _one_less(self.environments, job.environment)

    def get(self, run_id: str) -> LiveJob | None:
        """The job with that run id."""
        return self._jobs.get(run_id)

    def by_native(self, backend: str, native_id: str) -> LiveJob | None:
        """The job that the backend calls so."""
        job = self._jobs.get(self._natives.get((backend, native_id), native_id))
        return job if job and job.record.backend == backend and job.record.native_id == native_id else None

    def __iter__(self) -> Iterator[LiveJob]:
        return iter(list(self._jobs.values()))

    def __len__(self) -> int:
        return len(self._jobs)


def _one_less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
