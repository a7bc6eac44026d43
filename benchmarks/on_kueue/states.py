"""How soon a client hears of what changes in the cluster, and what a rehearsal takes."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import qwex
from on_kueue.place import FAKE, FULL, REAL, Namespace, script, until
from qwex.errors import QwexError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from on_kueue.raw import Seen

__all__ = ["part"]

#: What a plain watch sees when a job comes to be in a state.
_MARKS = {"ADMITTED": "admitted", "RUNNING": "container"}


class Heard:
    """When a client's stream of changes told of each state (monotonic)."""

    def __init__(self) -> None:
        # It must not bring back a controller that ends with its home.
        self._client = qwex.Client(start=False)
        self.moments: dict[tuple[str, str], float] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(QwexError):
            for record in self._client.watch():
                self.moments.setdefault((record.id, record.state.value), time.monotonic())

    def moment(self, job: str, state: str) -> float:
        """When it was told, which must have been or come soon."""
        until(lambda: (job, state) in self.moments, f"{job} to be {state}", 60, pause=0.005)
        return self.moments[job, state]


class States:
    """The measures."""

    def __init__(self, namespace: Namespace, client: qwex.Client, seen: Seen) -> None:
        self._namespace, self._client, self._seen, self._raw = namespace, client, seen, namespace.raw
        self._heard = Heard()
        self._rehearsed = namespace.rendered(script("print(1)")).job

    def moves(self, size: int) -> dict[str, float]:
        """Seconds from a plain watch's news to the client's, for jobs on the node that is not there."""
        jobs = []
        for _ in range(size):
            jobs.append(self._client.submit(script("print(1)", FAKE)))
            self._heard.moment(jobs[-1].id, "RUNNING")
        late = {state: [self._late(job.id, state) for job in jobs] for state in _MARKS}
        figures = {f"{state.lower()}_s": statistics.median(values) for state, values in late.items()}
        every = [value for values in late.values() for value in values]
        return {"s": statistics.median(every), "max_s": max(every), **figures}

    def _late(self, job: str, state: str) -> float:
        moment = self._raw.wait(self._seen.until(job, _MARKS[state]))
        return self._heard.moment(job, state) - moment

    def deleted(self) -> dict[str, float]:
        """Seconds from the API server's answer that a waiting Job is deleted until the client hears of it."""
        job = self._client.submit(script("print(1)", FULL))
        self._heard.moment(job.id, "QUEUED")
        self._raw.wait(self._raw.send("DELETE", f"{self._namespace.jobs}/{job.id}", propagationPolicy="Background"))
        moment = time.monotonic()
        return {"s": self._heard.moment(job.id, "FAILED") - moment}

    def preflight(self) -> dict[str, float]:
        """A rehearsal, as ``qwex submit --dry-run`` asks for it."""
        start = time.monotonic()
        expected, rendered = self._client.preflight(script("print(1)", REAL))
        seconds = time.monotonic() - start
        assert expected is None, expected
        assert "kind: Job" in rendered
        return {"s": seconds}

    def dry_run(self) -> dict[str, float]:
        """One request to the API server that makes the Job and keeps nothing."""
        start = time.monotonic()
        self._raw.wait(self._raw.create(self._namespace.jobs, self._rehearsed, dryRun="All"))
        return {"s": time.monotonic() - start}


@contextlib.contextmanager
def part(namespace: Namespace) -> Iterator[dict[str, Any]]:
    """The measures by name."""
    with namespace.client() as (client, _), namespace.seen() as seen:
        measures = States(namespace, client, seen)
        yield {name: getattr(measures, name) for name in ("moves", "deleted", "preflight", "dry_run")}
