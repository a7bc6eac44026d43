"""What keeps a pod that has a node from starting, where only its events say that: volumes, network, devices.

Events are the cluster's to keep or not, and reading them is a right of its own; without it there is nothing to say.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from qwex.errors import BackendUnavailable, NotAuthorized
from qwex_kueue.errors import ApiError
from qwex_kueue.objects import seconds
from qwex_kueue.states import is_being_made

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qwex_kueue.apiserver import ApiServer
    from qwex_kueue.objects import Pod

__all__ = ["TROUBLES", "is_late", "missing", "said_by", "trouble", "when"]

#: What a pod's containers wait for in vain: reasons of warnings, of kubelets and of the attacher of volumes.
TROUBLES = {
    "FailedMount": "a volume of its pod cannot be mounted",
    "FailedMapVolume": "a volume of its pod cannot be mounted",
    "FailedAttachVolume": "a volume of its pod cannot be attached to the node",
    "FailedCreatePodSandBox": "its pod cannot be set up on the node",
    "FailedPodSandBoxStatus": "its pod cannot be set up on the node",
    "FailedCreatePodContainer": "its pod cannot be set up on the node",
    "FailedPrepareDynamicResources": "a device of its pod cannot be made ready",
    "FailedSync": "its pod cannot be set up on the node",
    "NetworkNotReady": "its pod cannot be set up on the node",
}
#: Seconds that a node usually takes to make a pod's containers from an image that it has.
_USUAL = 5.0
#: A kubelet's message of a mount: which volume, and why not.
_OF_A_VOLUME = re.compile(r'\w+\.\w+ failed for volume "(?P<volume>[^"]+)" ?: (?P<why>.*)', re.DOTALL)
#: What is not there, in the words of the API server.
_MISSING = re.compile(r'\b(?:secret|configmap|persistentvolumeclaim)s? "([^"]+)" not found')


def is_late(pod: Pod) -> bool:
    """Whether its node has not made its containers in the usual time."""
    scheduled = pod.has("PodScheduled")
    return is_being_made(pod) and scheduled is not None and time.time() - scheduled.since > _USUAL


async def trouble(server: ApiServer, pod: Pod) -> str:
    """What keeps it, in a sentence; empty where nothing is known to, or its events cannot be read."""
    try:
        found = await server.get(f"{server.core}/events", fieldSelector=f"involvedObject.uid={pod.uid}")
    except (ApiError, BackendUnavailable, NotAuthorized):
        return ""
    return said_by(found.get("items") or ())


def said_by(events: Sequence[Mapping[str, Any]]) -> str:
    """What the newest of the troubles among a pod's events says; empty once it went on after that."""
    newest = max((each for each in events if each.get("reason") in TROUBLES), key=when, default=None)
    if newest is None or any(each.get("type") == "Normal" and when(each) > when(newest) for each in events):
        return ""
    message = newest.get("message") or newest["reason"]
    if mount := _OF_A_VOLUME.fullmatch(message):
        return f"the volume {mount['volume']} of its pod cannot be mounted: {mount['why']}"
    return f"{TROUBLES[newest['reason']]}: {message}"


def missing(said: str) -> str:
    """The name of what would have to be there for the pod to start; empty if it is something else that keeps it."""
    found = _MISSING.search(said)
    return found[1] if found else ""


def when(event: Mapping[str, Any]) -> float:
    """When it was last seen; which field says so depends on who wrote it."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return seconds(next(filter(None, times), event["metadata"].get("creationTimestamp")))
