"""Why no node takes a pod, from the scheduler's message of it, in plain words. Pure.

The messages are those of ``FitError`` and of the scheduler's plugins, https://github.com/kubernetes/kubernetes,
pkg/scheduler/framework; what is not understood is shown as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qwex_kueue.amounts import unit

if TYPE_CHECKING:
    from qwex_kueue.objects import Pod

__all__ = ["GATED", "NO_WAY", "explained", "unplaced"]

#: The reason of a pod that the scheduler does not look at yet, as Kueue holds it back.
GATED = "SchedulingGated"

#: Of a volume that only some nodes reach.
NO_WAY = "had no way to its volume"
#: What the filters said, without what came of preemption and of claims, which follows.
_FIT_ERROR = re.compile(r"0/(\d+) nodes are available: (\d.*?)\.(?: .*)?", re.DOTALL)
_NEXT = re.compile(r", (?=\d+ )")
_INSUFFICIENT = re.compile(r"Insufficient (\S+)")
_TAINT = re.compile(r"node\(s\) had untolerated taint(?:\(s\)| \{(\S*?): .*\})")
_REASONS = {
    "Too many pods": "had as many pods as it takes",
    "node(s) didn't match Pod's node affinity/selector": "had not the labels that it asks for",
    "node(s) were unschedulable": "took no new pods",
    "node(s) didn't match PersistentVolume's node affinity": NO_WAY,
    "node(s) had volume node affinity conflict": NO_WAY,  # the same, of older ones
}


def unplaced(pod: Pod) -> str:
    """Why the pod has no node, in a sentence; empty as long as the scheduler does not say so."""
    scheduled = pod.conditions.get("PodScheduled")
    if scheduled is None or scheduled.status is not False or scheduled.reason == GATED:
        return ""
    return f"it has its quota, and no node takes its pod: {explained(scheduled.message)}"


def explained(message: str) -> str:
    """``of 2 nodes 1 had not enough memory free, 1 had a taint that it does not tolerate``."""
    if not (said := _FIT_ERROR.fullmatch(message)):
        return message
    counted = (each.partition(" ") for each in _NEXT.split(said[2]))
    found = ", ".join(f"{number} {_reason(reason)}" for number, _, reason in counted)
    return f"of {said[1]} node{'' if said[1] == '1' else 's'} {found}"


def _reason(reason: str) -> str:
    if short := _INSUFFICIENT.fullmatch(reason):
        return f"had not enough {unit(short[1])} free"
    if taint := _TAINT.fullmatch(reason):
        return f"had {f'the taint {taint[1]}' if taint[1] else 'a taint'} that it does not tolerate"
    return _REASONS.get(reason, reason.removeprefix("node(s) "))
