"""A node that is not there: as many pods as one likes, which run as long as their annotation says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.apiserver import ApiServer

if TYPE_CHECKING:
    from harness.layout import Layout

__all__ = ["DURATION", "LABELS", "TAINT", "node", "start"]

#: A pod's annotation: how long it runs, such as "30s".
DURATION = "pod-complete.stage.kwok.x-k8s.io/delay"
LABELS = {"type": "kwok"}
TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
_NAME = "kwok0"
_SIZE = {"cpu": "256", "memory": "1Ti", "pods": "5000", "nvidia.com/gpu": "64"}


def start(layout: Layout) -> None:
    """Start kwok and make its node."""
    stages = sorted((layout.programs.manifests / "stages").glob("*.yaml"))
    layout.processes.start(
        "kwok",
        layout.programs["kwok"],
        f"--kubeconfig={layout.kubeconfig}",
        *(f"--config={stage}" for stage in stages),
        "--manage-nodes-with-label-selector=type=kwok",
        "--cidr=10.99.0.1/16",
        "--node-ip=10.99.0.1",
        "--node-port=0",
        "--node-lease-duration-seconds=20",
    )
    ApiServer(layout.kubeconfig).create("/api/v1/nodes", node())


def node() -> dict[str, Any]:
    """The node that is not there; what does not tolerate its taint stays away."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": _NAME,
            "labels": {**LABELS, "kubernetes.io/hostname": _NAME},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": [TAINT]},
        "status": {"allocatable": _SIZE, "capacity": _SIZE},
    }
