"""Why a job waits, in plain words: Kueue's conditions and messages, positions and quotas, joined. Pure.

The message texts are those of Kueue 0.19; one that is not understood is shown as it is.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from qwex.state import WaitReason, Why
from qwex_kueue.amounts import amount, listed, quantity
from qwex_kueue.scheduling import unplaced
from qwex_kueue.states import IMAGE_TROUBLE, UNSTARTABLE, stuck

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qwex_kueue.clusterqueues import ClusterQueue, Place
    from qwex_kueue.objects import Condition, LocalQueue, Pod, Workload

__all__ = ["REASONS", "Known", "Shortage", "estimate", "explain", "shortages"]

#: Kueue's granular reasons of ``QuotaReserved=False`` (feature gate UnadmittedWorkloadsObservability), as ours.
REASONS = {
    "WaitingForQuota": WaitReason.WAITING_FOR_QUOTA,
    "ExceedsMaxQuota": WaitReason.EXCEEDS_MAX_QUOTA,
    "NoMatchingFlavor": WaitReason.NO_MATCHING_FLAVOR,
    "TopologyPlacementFailed": WaitReason.NO_MATCHING_FLAVOR,
    "WaitingForPreemptedWorkloads": WaitReason.WAITING_FOR_QUOTA,
    "WaitingForPodsReady": WaitReason.HELD_BY_PRIORITY,
    "Waiting": WaitReason.HELD_BY_PRIORITY,
    "Misconfigured": WaitReason.QUEUE_MISSING,
    "Inadmissible": WaitReason.QUEUE_MISSING,
    "Suspended": WaitReason.QUEUE_STOPPED,
    "OnHold": WaitReason.QUEUE_STOPPED,
    "AdmissionGated": WaitReason.STARTING,
    "PendingEvaluation": WaitReason.RECORDED,
    "DRAResourcesUnresolved": WaitReason.STARTING,
    "Pending": WaitReason.WAITING_FOR_QUOTA,
}
#: Its reason before that: Kueue has not come to it.
_NOT_LOOKED_AT = "PendingEvaluation"
#: What it says of a machine that was stopped, until it looks at it again.
_SCALED_DOWN = "StatefulSet scaled to zero"
_UNUSED = re.compile(r"insufficient unused quota for (\S+) in flavor (\S+?), (\S+) more needed")
_MAXIMUM = re.compile(
    r"insufficient quota for (\S+) in flavor (\S+?), previously considered podsets requests \((\S+)\) \+ "
    r"current podset request \((\S+)\) > maximum capacity \((\S+)\)"
)
_UNCOVERED = re.compile(r"resource (\S+) unavailable in ClusterQueue")
_PREEMPTING = re.compile(r"Pending the preemption of (\d+) workload")
#: What can be done about a pod that no node takes.
_UNPLACED = "it holds its quota meanwhile: if no node is as large as that, cancel it and ask for less"
#: Kueue did not look at it: another with the same needs has just failed.
_BYPASSED = "Bypassed scheduling evaluation"
_STOPPED = re.compile(r"(LocalQueue|ClusterQueue) (\S+) is (?:stopped|inactive)")
_MISSING = re.compile(r"(LocalQueue|ClusterQueue) (\S+) doesn't exist")
#: Admissions out of a backlog that an estimate needs, and how many of the newest it looks at.
_FEWEST, _NEWEST = 5, 50


class Shortage(NamedTuple):
    """What one flavor lacks; ``needed`` more, or ``asked`` where no more than ``most`` can ever be had."""

    resource: str
    flavor: str
    needed: float = 0.0
    asked: float = 0.0
    most: float | None = None


@dataclass(frozen=True)
class Known:
    """What there is to say it with; what may not be read is None or empty."""

    queue: str
    workload: Workload | None
    pod: Pod | None = None
    local: LocalQueue | None = None
    cluster: ClusterQueue | None = None
    place: Place | None = None
    #: Others that wait in the same queue for the same amounts.
    equivalents: Sequence[Workload] = ()
    #: Other queues of the namespace, with their cluster queues.
    others: Mapping[str, ClusterQueue] = field(default_factory=dict)
    #: Admissions of the queue, oldest first: when, and after how many seconds.
    admissions: Sequence[tuple[float, float]] = ()
    #: What keeps its pod, by the pod's events.
    trouble: str = ""


def explain(known: Known) -> Why:
    """Why the job waits, from all that is known."""
    if known.pod is not None or (known.workload and known.workload.has("Admitted")):
        return _starting(known)
    if known.workload is None:
        return Why("it is in the cluster, and Kueue has not looked at it yet", WaitReason.RECORDED.value)
    reserved = known.workload.conditions.get("QuotaReserved")
    if reserved and (reserved.reason == _NOT_LOOKED_AT or reserved.message.startswith(_SCALED_DOWN)):
        reserved = None
    asked = known.workload.requests
    reason, summary = _reason(known, reserved, asked)
    low_high, basis = estimate(known.place.in_local, known.admissions) if known.place else (None, "")
    if reason in (WaitReason.EXCEEDS_MAX_QUOTA, WaitReason.QUEUE_STOPPED, WaitReason.QUEUE_MISSING):
        low_high, basis = None, ""
    return Why(
        summary,
        reason.value,
        position=known.place.in_local if known.place else None,
        position_in=known.queue,
        cluster_position=known.place.in_cluster if known.place else None,
        quota=known.cluster.lines(asked) if known.cluster else (),
        eta=low_high,
        basis=basis,
        suggestions=tuple(_suggestions(known, reason, asked)),
    )


def shortages(message: str) -> list[Shortage]:
    """What Kueue's flavor assigner says is missing."""
    found = [Shortage(res, flavor, needed=quantity(more)) for res, flavor, more in _UNUSED.findall(message)]
    for resource, flavor, before, now, most in _MAXIMUM.findall(message):
        found.append(Shortage(resource, flavor, asked=quantity(before) + quantity(now), most=quantity(most)))
    found += [Shortage(resource, "", most=0.0) for resource in _UNCOVERED.findall(message)]
    return found


def estimate(position: int, admissions: Sequence[tuple[float, float]]) -> tuple[tuple[float, float] | None, str]:
    """Seconds from now until the job at ``position`` begins, low and high, and what that is based on.

    Counted are the gaps between admissions when somebody waited: a job that came after the one before it was admitted
    says nothing of how long a queue takes. The interval is that of the middle half of the gaps, for each place.
    """
    pairs = list(itertools.pairwise(admissions))[-_NEWEST:]
    gaps = sorted(at - before for (before, _), (at, waited) in pairs if waited >= at - before)
    if len(gaps) < _FEWEST:
        return None, ""
    low, high = gaps[len(gaps) // 4], gaps[(3 * len(gaps)) // 4]
    return (position * low, position * high), f"{len(gaps)} admissions"


def _reason(known: Known, reserved: Condition | None, asked: Mapping[str, float]) -> tuple[WaitReason, str]:
    if known.local and known.local.stopped != "None":
        return WaitReason.QUEUE_STOPPED, f"the queue {known.queue} is stopped; it goes on when the queue does"
    if known.cluster and known.cluster.stopped != "None":
        return WaitReason.QUEUE_STOPPED, f"the cluster queue behind {known.queue} is stopped"
    if reserved is None and (lacking := _computed(known, asked)):
        return WaitReason.WAITING_FOR_QUOTA, _for_quota(known, lacking, asked)
    if reserved is None and known.place is None:
        return WaitReason.RECORDED, f"it is in {known.queue}, and Kueue has not looked at it yet"
    if reserved is None and known.place and known.place.in_cluster == 1:
        return WaitReason.RECORDED, f"it is next in {known.queue}, and Kueue has not looked at it yet"
    if reserved is None:
        return WaitReason.HELD_BY_PRIORITY, f"others are before it in {known.queue}"
    reserved = _evaluated(known, reserved)
    message = reserved.message
    if missing := _MISSING.search(message):
        return WaitReason.QUEUE_MISSING, f"the {missing[1]} {missing[2]} does not exist"
    if stopped := _STOPPED.search(message):
        return WaitReason.QUEUE_STOPPED, f"the {stopped[1]} {stopped[2]} is stopped or not usable"
    reason = REASONS.get(reserved.reason, WaitReason.WAITING_FOR_QUOTA)
    lacking = shortages(message)
    if not lacking and reason is not WaitReason.QUEUE_STOPPED and (lacking := _computed(known, asked)):
        reason = WaitReason.WAITING_FOR_QUOTA
    if preempting := _PREEMPTING.search(message):
        count = int(preempting[1])
        who = "another job makes" if count == 1 else f"{count} other jobs make"
        return WaitReason.WAITING_FOR_QUOTA, f"{who} room for it"
    impossible = [each for each in lacking if each.most is not None]
    if impossible and (reason is WaitReason.EXCEEDS_MAX_QUOTA or len(impossible) == len(lacking)):
        return WaitReason.EXCEEDS_MAX_QUOTA, _too_much(known, impossible, asked)
    if lacking:
        return reason, _for_quota(known, lacking, asked)
    if reason is WaitReason.HELD_BY_PRIORITY:
        return reason, f"others are before it in {known.queue}"
    if message.startswith(_BYPASSED):
        wants = listed(amount(name, number) for name, number in asked.items())
        return reason, f"waits for {wants}, which {known.queue} does not have free"
    return reason, f"it waits in {known.queue}: {message}" if message else f"it waits in {known.queue}"


def _evaluated(known: Known, reserved: Condition) -> Condition:
    """What Kueue says of the job, or of one with the same needs if it only says that it looked at that one."""
    if reserved.message.startswith(_BYPASSED):
        said = (each.conditions.get("QuotaReserved") for each in known.equivalents)
        return next((each for each in said if each and shortages(each.message)), reserved)
    return reserved


def _computed(known: Known, asked: Mapping[str, float]) -> list[Shortage]:
    """What is missing by the numbers, where Kueue only says that nothing has changed since it last looked."""
    if known.cluster is None:
        return []
    missing = {
        name: number - known.cluster.free(name) for name, number in asked.items() if name in known.cluster.nominal
    }
    return [Shortage(name, "", needed=more) for name, more in missing.items() if more > 0]


def _for_quota(known: Known, lacking: Sequence[Shortage], asked: Mapping[str, float]) -> str:
    """``waits for 1 GPU: 8 of 8 in use``."""
    short = {each.resource: each for each in lacking if each.most is None}
    wants = listed(amount(name, asked.get(name, each.needed)) for name, each in short.items())
    if known.cluster and all(known.cluster.free(name) < asked.get(name, 0.0) for name in short):
        uses = [
            f"{known.cluster.used.get(name, 0.0):g} of {known.cluster.nominal[name]:g} in use"
            if name != "memory"
            else f"{amount(name, known.cluster.free(name))} free"
            for name in short
            if name in known.cluster.nominal
        ]
        return f"waits for {wants}: {', '.join(uses)}"
    # The queue's own status is a second behind Kueue's decisions, or not to be seen.
    needs = listed(amount(name, each.needed) for name, each in short.items())
    return f"waits for {wants}: {needs} more must become free"


def _too_much(known: Known, impossible: Sequence[Shortage], asked: Mapping[str, float]) -> str:
    most: dict[str, float] = {}
    for each in impossible:
        most[each.resource] = max(most.get(each.resource, 0.0), each.most or 0.0)
    parts = [
        f"{amount(name, asked.get(name, 0.0))} of at most {limit:g}"
        if name != "memory"
        else f"{amount(name, asked.get(name, 0.0))} of at most {amount(name, limit)}"
        for name, limit in most.items()
    ]
    return f"it asks for more than {known.queue} can ever give: {listed(parts)}. It will not start"


def _starting(known: Known) -> Why:
    pod = known.pod
    if pod is None:
        return Why("it has its quota, and its pod is being made", WaitReason.STARTING.value)
    for container in pod.containers.values():
        if container.state == "waiting" and container.reason in UNSTARTABLE:
            reason = WaitReason.IMAGE_PULL if container.reason in IMAGE_TROUBLE else WaitReason.STARTING
            return Why(stuck(container), reason.value)
    if message := unplaced(pod):
        return Why(message, WaitReason.STARTING.value, suggestions=(_UNPLACED,))
    if not pod.node:
        return Why("it has its quota, and waits for a node", WaitReason.STARTING.value)
    if known.trouble:
        return Why(known.trouble, WaitReason.STARTING.value)
    return Why(f"it starts on {pod.node}: the image is fetched and the container made", WaitReason.STARTING.value)


def _suggestions(known: Known, reason: WaitReason, asked: Mapping[str, float]) -> list[str]:
    """What would start now, found by reading alone."""
    if reason is WaitReason.EXCEEDS_MAX_QUOTA and known.cluster:
        limits = {name: known.cluster.most(name) for name in asked}
        return [
            f"at most {amount(name, most)} can be had in {known.queue}"
            for name, most in limits.items()
            if most is not None and asked[name] > most
        ]
    if reason is not WaitReason.WAITING_FOR_QUOTA:
        return []
    found = []
    if known.cluster:
        gpus = [name for name in asked if name.endswith("/gpu") and asked[name] > 1]
        for name in gpus:
            rest = all(known.cluster.free(other) >= asked[other] for other in asked if other != name)
            if rest and 1 <= (free := known.cluster.free(name)) < asked[name]:
                found.append(f"fits now with {amount(name, free)}")
    for queue, cluster in known.others.items():
        if asked and all(cluster.free(name) >= number for name, number in asked.items()):
            frees = listed(f"{amount(name, cluster.free(name))}" for name in asked if asked[name])
            found.append(f"queue {queue} has {frees} free")
    return found
