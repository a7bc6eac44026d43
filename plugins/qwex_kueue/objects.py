"""The objects that are watched, as small as they can be: five thousand of each are held at once."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex_kueue import names
from qwex_kueue.amounts import quantity, summed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Condition", "Container", "Job", "LocalQueue", "Pod", "Workload", "requested", "seconds"]


class Condition(NamedTuple):
    """One of an object's conditions; which one is told by its type, never by its place in the list."""

    status: bool | None
    reason: str
    message: str
    #: Seconds since the epoch.
    since: float

    @classmethod
    def all_of(cls, raw: Mapping[str, Any]) -> dict[str, Condition]:
        """An object's conditions by type."""
        return {each["type"]: cls._of(each) for each in raw.get("status", {}).get("conditions") or ()}

    @classmethod
    def _of(cls, raw: Mapping[str, Any]) -> Condition:
        status = {"True": True, "False": False}.get(raw["status"])
        return cls(status, raw.get("reason") or "", raw.get("message") or "", seconds(raw.get("lastTransitionTime")))


class Container(NamedTuple):
    """Where a container stands: ``state`` is waiting, running or terminated."""

    state: str
    reason: str = ""
    message: str = ""
    code: int | None = None
    #: Reason, message and exit code of the time before, when it was started again.
    last_reason: str = ""
    last_message: str = ""
    last_code: int | None = None
    #: The image as it was pulled, with its digest.
    image: str = ""

    @classmethod
    def _of(cls, raw: Mapping[str, Any]) -> Container:
        ((state, said),) = (raw.get("state") or {"waiting": {}}).items()
        before = (raw.get("lastState") or {}).get("terminated") or {}
        return cls(
            state,
            said.get("reason") or "",
            said.get("message") or "",
            said.get("exitCode"),
            before.get("reason") or "",
            before.get("message") or "",
            before.get("exitCode"),
            sys.intern(raw.get("imageID") or ""),
        )


class _Conditioned:
    """An object with conditions."""

    __slots__ = ()
    conditions: Mapping[str, Condition]

    def has(self, type: str) -> Condition | None:
        """The condition, where it is true."""
        found = self.conditions.get(type)
        return found if found and found.status else None


@dataclass(frozen=True, slots=True)
class Job(_Conditioned):
    """A batch/v1 Job that qwex made."""

    name: str
    uid: str
    run_id: str
    attempt: int
    controller: str
    queue: str
    user: str
    #: What people call it.
    title: str
    created: float
    deleted: bool
    suspended: bool
    #: Rises with every change of its spec.
    generation: int
    #: When it was last let go, or 0.
    started: float
    conditions: dict[str, Condition] = field(default_factory=dict)

    @property
    def end(self) -> Condition | None:
        """What says that it will make no more pods."""
        return next(filter(None, map(self.has, ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"))), None)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Job:
        """From the API's object."""
        metadata, labels = raw["metadata"], raw["metadata"].get("labels") or {}
        return cls(
            metadata["name"],
            metadata["uid"],
            labels.get(names.RUN_ID, ""),
            _number(labels.get(names.ATTEMPT)),
            labels.get(names.CONTROLLER, ""),
            labels.get(names.QUEUE, ""),
            labels.get(names.USER, ""),
            (metadata.get("annotations") or {}).get(names.NAME, ""),
            seconds(metadata.get("creationTimestamp")),
            "deletionTimestamp" in metadata,
            bool(raw.get("spec", {}).get("suspend")),
            metadata.get("generation") or 1,
            seconds((raw.get("status") or {}).get("startTime")),
            Condition.all_of(raw),
        )


@dataclass(frozen=True, slots=True)
class Pod(_Conditioned):
    """A pod of such a Job."""

    name: str
    uid: str
    run_id: str
    job_uid: str
    created: float
    deleted: bool
    phase: str
    reason: str
    message: str
    node: str
    #: Bytes that the job's container may use, None without a limit.
    memory: int | None
    #: What the job's container runs in: an image, and the interpreter in it.
    image: str
    python: str
    conditions: dict[str, Condition] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Pod:
        """From the API's object."""
        metadata, status = raw["metadata"], raw.get("status", {})
        containers = raw.get("spec", {}).get("containers") or ()
        main: Mapping[str, Any] = next((each for each in containers if each["name"] == names.JOB), {})
        statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
        return cls(
            metadata["name"],
            metadata["uid"],
            (metadata.get("labels") or {}).get(names.RUN_ID, ""),
            _owner(metadata),
            seconds(metadata.get("creationTimestamp")),
            "deletionTimestamp" in metadata,
            status.get("phase") or "Pending",
            status.get("reason") or "",
            status.get("message") or "",
            raw.get("spec", {}).get("nodeName") or "",
            _limit(main),
            sys.intern(main.get("image") or ""),
            sys.intern((main.get("command") or [""])[0]),
            Condition.all_of(raw),
            {each["name"]: Container._of(each) for each in statuses},
        )


@dataclass(frozen=True, slots=True)
class Workload(_Conditioned):
    """Kueue's own object for a job that waits for quota: anybody's, not only qwex's."""

    name: str
    uid: str
    job_uid: str
    #: The name of what it is for.
    owner: str
    queue: str
    created: float
    priority: int
    active: bool
    #: In the resources' own units.
    requests: dict[str, float]
    conditions: dict[str, Condition] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Workload:
        """From the API's object."""
        metadata, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
        return cls(
            metadata["name"],
            metadata["uid"],
            _owner(metadata),
            _owner(metadata, "name"),
            spec.get("queueName") or "",
            seconds(metadata.get("creationTimestamp")),
            spec.get("priority") or 0,
            spec.get("active", True),
            _requests(spec, status),
            Condition.all_of(raw),
        )

    @property
    def holds(self) -> bool | None:
        """Whether it has quota, or waits for some; None for one that does neither any more."""
        return None if self.has("Finished") or not self.active else self.has("QuotaReserved") is not None


@dataclass(frozen=True, slots=True)
class LocalQueue:
    """A queue of the namespace."""

    name: str
    cluster_queue: str
    stopped: str
    conditions: dict[str, Condition] = field(default_factory=dict)
    #: What its workloads hold: flavor, resource, and how much in the resource's own unit.
    reserved: tuple[tuple[str, str, float], ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> LocalQueue:
        """From the API's object."""
        spec = raw.get("spec", {})
        return cls(
            raw["metadata"]["name"],
            spec.get("clusterQueue") or "",
            spec.get("stopPolicy") or "None",
            Condition.all_of(raw),
            tuple(
                (flavor["name"], each["name"], quantity(each.get("total", "0")))
                for flavor in raw.get("status", {}).get("flavorsReservation") or ()
                for each in flavor.get("resources") or ()
            ),
        )


def _requests(spec: Mapping[str, Any], status: Mapping[str, Any]) -> dict[str, float]:
    """What the pods ask for: as Kueue counts it, and until it has looked, as their containers say."""
    asked = [each.get("resources") or {} for each in status.get("resourceRequests") or ()]
    if not asked:
        asked = [each for pod in spec.get("podSets") or () for each in requested(pod["template"]["spec"])]
    return summed(asked)


def requested(pod: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The requests of those containers of a pod's spec that run side by side."""
    lasting = [each for each in pod.get("initContainers") or () if each.get("restartPolicy")]
    containers = [*lasting, *(pod.get("containers") or ())]
    return [(each.get("resources") or {}).get("requests") or {} for each in containers]


def seconds(text: str | None) -> float:
    """Seconds since the epoch, from the API's time; 0 without one."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else 0.0


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 1


def _owner(metadata: Mapping[str, Any], field: str = "uid") -> str:
    """Of what controls it; of a StatefulSet's Workload, which has no controller, of the first of those that own it."""
    owners: Sequence[Mapping[str, Any]] = metadata.get("ownerReferences") or ({},)
    return str(next((owner for owner in owners if owner.get("controller")), owners[0]).get(field, ""))


def _limit(container: Mapping[str, Any]) -> int | None:
    text = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return int(quantity(text)) if text else None
