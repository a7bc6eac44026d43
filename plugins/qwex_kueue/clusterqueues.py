"""What is beyond a user's own namespace: quotas and positions, as far as the user may read them."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from qwex.errors import BackendUnavailable, NotAuthorized
from qwex.state import QuotaLine
from qwex_kueue.amounts import quantity
from qwex_kueue.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from qwex_kueue.apiserver import ApiServer

__all__ = ["FRESH", "Beyond", "ClusterQueue", "FlavorQuota", "Place"]

#: Seconds for which an answer is good enough for the next who asks.
FRESH = 2.0
#: Seconds for which a refusal is believed: rights change seldom.
_REFUSED = 60.0
#: Workloads of one queue whose positions are asked for.
_MOST = 1000
#: Objects of one answer of a list.
_PAGE = 500

PickedT = TypeVar("PickedT")


class Place(NamedTuple):
    """Where a workload stands, from 1."""

    in_local: int
    in_cluster: int


class FlavorQuota(NamedTuple):
    """One resource of one flavor, in the resource's own unit."""

    flavor: str
    resource: str
    nominal: float
    used: float
    #: What it may still borrow; None: without limit; 0 where there is no cohort.
    borrowable: float | None


class ClusterQueue(NamedTuple):
    """Quotas by resource, over all flavors, in the resources' own units."""

    name: str
    nominal: dict[str, float]
    used: dict[str, float]
    #: None: without limit; 0 where there is no cohort.
    borrowable: dict[str, float | None]
    stopped: str
    problem: str
    flavors: tuple[FlavorQuota, ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> ClusterQueue:
        """From the API's object (kueue.x-k8s.io/v1beta2)."""
        spec, status = raw["spec"], raw.get("status", {})
        nominal: dict[str, float] = {}
        borrowable: dict[str, float | None] = {}
        for group in spec.get("resourceGroups") or ():
            for each in (each for flavor in group["flavors"] for each in flavor["resources"]):
                name, limit = each["name"], each.get("borrowingLimit")
                nominal[name] = nominal.get(name, 0.0) + quantity(each["nominalQuota"])
                before = borrowable.get(name, 0.0)
                if not spec.get("cohortName"):
                    borrowable[name] = 0.0
                else:
                    borrowable[name] = None if limit is None or before is None else before + quantity(limit)
        used: dict[str, float] = {}
        for flavor in status.get("flavorsReservation") or ():
            for each in flavor["resources"]:
                used[each["name"]] = used.get(each["name"], 0.0) + quantity(each.get("total", "0"))
        active: Mapping[str, Any] = next(
            (each for each in status.get("conditions") or () if each["type"] == "Active"), {}
        )
        problem = active.get("message", "") if active.get("status") == "False" else ""
        stopped = spec.get("stopPolicy") or "None"
        return cls(raw["metadata"]["name"], nominal, used, borrowable, stopped, problem, tuple(_flavors(spec, status)))

    def lines(self, asked: Mapping[str, float]) -> tuple[QuotaLine, ...]:
        """One line a resource, those that are asked for first."""
        ordered = [*(name for name in asked if name in self.nominal), *(n for n in self.nominal if n not in asked)]
        return tuple(
            QuotaLine(name, asked.get(name, 0.0), self.used.get(name, 0.0), self.nominal[name], self.borrowable[name])
            for name in ordered
        )

    def free(self, resource: str) -> float:
        """What nobody uses of its own quota."""
        return max(self.nominal.get(resource, 0.0) - self.used.get(resource, 0.0), 0.0)

    def most(self, resource: str) -> float | None:
        """What one job can ever have; None without a limit, 0 for a resource it does not cover."""
        borrowable = self.borrowable.get(resource, 0.0)
        return None if borrowable is None else self.nominal.get(resource, 0.0) + borrowable


def _flavors(spec: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[FlavorQuota]:
    used: dict[tuple[str, str], Mapping[str, str]] = {
        (flavor["name"], each["name"]): each
        for flavor in status.get("flavorsReservation") or ()
        for each in flavor["resources"]
    }
    for flavor in (flavor for group in spec.get("resourceGroups") or () for flavor in group["flavors"]):
        for each in flavor["resources"]:
            there = used.get((flavor["name"], each["name"]), {})
            total, borrowed = quantity(there.get("total", "0")), quantity(there.get("borrowed", "0"))
            limit = each.get("borrowingLimit")
            most = 0.0 if not spec.get("cohortName") else None if limit is None else max(quantity(limit) - borrowed, 0)
            yield FlavorQuota(flavor["name"], each["name"], quantity(each["nominalQuota"]), total, most)


class Beyond:
    """Asks, remembers each answer for a moment, and takes a refusal for an answer."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._answers: dict[str, tuple[float, asyncio.Future[Any]]] = {}
        #: What was refused, and until when that is remembered (monotonic).
        self._refused: dict[str, float] = {}

    async def cluster_queue(self, name: str, fresh: float = FRESH) -> ClusterQueue | None:
        """As it was ``fresh`` seconds ago at most; None where the user may not read it, or it is not there."""
        path = f"/apis/kueue.x-k8s.io/v1beta2/clusterqueues/{name}"
        raw = await self._remembered(path, lambda: self._server.get(path), refusable="clusterqueues", fresh=fresh)
        return ClusterQueue.of(raw) if raw else None

    def may_read(self, what: str) -> bool:
        """Whether that kind of object was not refused of late."""
        return time.monotonic() >= self._refused.get(what, 0.0)

    async def places(self, queue: str, wanted: str) -> dict[str, Place]:
        """Positions of the workloads that wait in a LocalQueue, by name; empty where Kueue does not tell.

        An answer that does not have ``wanted`` may be from before it came.
        """
        group = "/apis/visibility.kueue.x-k8s.io/v1beta2"
        path = f"{group}/namespaces/{self._server.namespace}/localqueues/{queue}/pendingworkloads"
        found: dict[str, Place] = {}
        for fresh in (FRESH, 0.0):
            raw = await self._remembered(
                path, lambda: self._server.get(path, limit=_MOST), refusable="visibility", fresh=fresh
            )
            for each in raw.get("items") or () if raw else ():
                place = Place(each["positionInLocalQueue"] + 1, each["positionInClusterQueue"] + 1)
                found[each["metadata"]["name"]] = place
            if wanted in found:
                break
        return found

    async def priorities(self) -> dict[str, int]:
        """WorkloadPriorityClasses by name; empty where the user may not read them."""
        path = "/apis/kueue.x-k8s.io/v1beta2/workloadpriorityclasses"
        raw = await self._remembered(path, lambda: self._server.get(path), refusable="workloadpriorityclasses")
        return {each["metadata"]["name"]: each["value"] for each in raw["items"]} if raw else {}

    async def listed(
        self, path: str, pick: Callable[[Mapping[str, Any]], PickedT], *, refusable: str, **query: Any
    ) -> list[PickedT] | None:
        """All objects of a kind, each as ``pick`` makes it; None where the user may not list them, or not now."""

        async def ask() -> dict[str, Any]:
            picked: list[PickedT] = []
            rest: str | None = None
            while rest is None or rest:
                raw = await self._server.get(path, limit=_PAGE, **query, **{"continue": rest})
                picked += map(pick, raw["items"])
                rest = (raw.get("metadata") or {}).get("continue") or ""
            return {"items": picked}

        found = await self._remembered(path, ask, refusable=refusable)
        return found["items"] if found else None

    async def _remembered(
        self, key: str, ask: Callable[[], Awaitable[dict[str, Any]]], *, refusable: str, fresh: float = FRESH
    ) -> dict[str, Any] | None:
        """One request for all who ask within a moment; None after a refusal."""
        if not self.may_read(refusable):
            return None
        at, answer = self._answers.get(key, (0.0, None))
        if answer is None or (answer.done() and time.monotonic() - at > fresh):
            answer = asyncio.ensure_future(ask())
            self._answers[key] = (time.monotonic(), answer)
        try:
            found: dict[str, Any] = await asyncio.shield(answer)
        except NotAuthorized:
            self._refused[refusable] = time.monotonic() + _REFUSED
            return None
        except (ApiError, BackendUnavailable):
            return None
        return found
