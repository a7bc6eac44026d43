"""The objects of machines that are watched, as small as they can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qwex_kueue import names
from qwex_kueue.machines.manifests import ASKED, CONTROLLER, MACHINE, SHAPE

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["StatefulSet"]

#: Kubernetes' own, of a pod that says none.
_GRACE = 30


@dataclass(frozen=True, slots=True)
class StatefulSet:
    """A machine's; it has one pod, or none."""

    name: str
    uid: str
    machine_id: str
    controller: str
    queue: str
    shape: str
    asked: str
    deleted: bool
    replicas: int
    #: Seconds that its pod has to end.
    grace: int
    #: Pods that there are, and that take ssh.
    present: int
    ready: int

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> StatefulSet:
        """From the API's object."""
        metadata, spec, status = raw["metadata"], raw["spec"], raw.get("status") or {}
        labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
        return cls(
            metadata["name"],
            metadata["uid"],
            labels.get(MACHINE, ""),
            labels.get(CONTROLLER, ""),
            labels.get(names.QUEUE, ""),
            annotations.get(SHAPE, ""),
            annotations.get(ASKED, ""),
            "deletionTimestamp" in metadata,
            spec.get("replicas", 1),
            spec["template"]["spec"].get("terminationGracePeriodSeconds", _GRACE),
            status.get("replicas") or 0,
            status.get("readyReplicas") or 0,
        )
