"""Jobs for a queue without a place left: how many a second are taken, and how many the API server takes at most."""

from __future__ import annotations

import asyncio
import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from on_kueue.place import FULL, Namespace, Place, script, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from qwex_kueue.manifests import KueueRequest

    import qwex

__all__ = ["part"]

#: Seconds after which a job that Kueue has not noticed counts as refused, and a margin.
_SETTLE = 12.0
#: At one time, on both sides; it is what the backend itself allows its controller.
IN_FLIGHT = 16
JOB = script("print(1)", FULL)


class Rates:
    """Each sample has a namespace of its own."""

    def __init__(self, place: Place) -> None:
        self._place, self._raw = place, place.raw

    def jobs(self, size: int) -> dict[str, float]:
        """Only the Jobs that qwex would send."""
        return self._created(size, secrets=False)

    def jobs_and_secrets(self, size: int) -> dict[str, float]:
        """The Jobs, and after each the Secret that it owns."""
        return self._created(size, secrets=True)

    def one_by_one(self, size: int) -> dict[str, float]:
        """Clients of one controller, each with one job at a time."""

        def submit(client: qwex.Client) -> None:
            with ThreadPoolExecutor(IN_FLIGHT) as pool:
                list(pool.map(client.submit, [JOB] * size))

        return self._submitted(size, submit)

    def at_once(self, size: int) -> dict[str, float]:
        """One request for all; the controller hands as many over at a time."""
        return self._submitted(size, lambda client: client.submit_many([JOB] * size))

    def _created(self, size: int, *, secrets: bool) -> dict[str, float]:
        namespace = self._place.namespace()
        requests = [namespace.rendered(JOB) for _ in range(size)]
        return {"per_s": size / self._raw.wait(self._create_all(namespace, requests, secrets=secrets))}

    async def _create_all(self, namespace: Namespace, requests: Sequence[KueueRequest], *, secrets: bool) -> float:
        gate = asyncio.Semaphore(IN_FLIGHT)

        async def create(request: KueueRequest) -> None:
            async with gate:
                job = await self._raw.create(namespace.jobs, request.job)
                if secrets:
                    await self._raw.create(namespace.path("secrets"), _owned(request.secret, job))

        start = time.monotonic()
        await asyncio.gather(*map(create, requests))
        return time.monotonic() - start

    def _submitted(self, size: int, submit: Callable[[qwex.Client], Any]) -> dict[str, float]:
        """Until the client has its answers, and until the cluster has the jobs: those may come later."""
        with self._place.namespace().client() as (client, _):
            client.submit(JOB)  # it brings the runner
            start = time.monotonic()
            submit(client)
            seconds = time.monotonic() - start
            late = size + 1 - _there(client)
            until(lambda: _there(client) > size, "the jobs to be handed over", 120, 0.02)
            handed = time.monotonic() - start if late else seconds
            time.sleep(_SETTLE)
            refused = client.list(state="FAILED", limit=1).total
        return {
            "per_s": size / handed,
            "accepted_per_s": size / seconds,
            "late_jobs": late,
            "refused_jobs": refused,
        }


def _there(client: qwex.Client) -> int:
    """Jobs that the cluster has, or that were given up since."""
    return sum(client.list(state=state, limit=1).total for state in ("QUEUED", "FAILED"))


def _owned(secret: dict[str, Any], job: dict[str, Any]) -> dict[str, Any]:
    metadata = job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": metadata["name"], "uid": metadata["uid"]}
    return {**secret, "metadata": {**secret["metadata"], "ownerReferences": [{**owner, "controller": True}]}}


@contextlib.contextmanager
def part(namespace: Namespace) -> Iterator[dict[str, Any]]:
    """The measures by name."""
    measures = Rates(namespace.place)
    yield {name: getattr(measures, name) for name in ("jobs", "jobs_and_secrets", "one_by_one", "at_once")}
