"""qwex_kueue keeps the whole contract, on a real cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness import objects
from qwex_kueue.backend import KueueBackend

from qwex.backend import BackendContext
from qwex.testing import BackendContract

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster import Cluster

KUEUE = objects.KUEUE


class TestKueue(BackendContract):
    backend_class = KueueBackend
    limit = 90.0

    @pytest.fixture
    def settings(self, cluster: Cluster, user: Path, namespace: str, cluster_queue: Any) -> dict[str, Any]:
        queue = cluster_queue(
            {"cpu": "1500m", "memory": "8Gi", "nvidia.com/gpu": "2"}, preemption={"withinClusterQueue": "LowerPriority"}
        )
        levels = {f"kit-{value}": value for value in (5, 10)}
        cluster.apply(
            *(
                {"apiVersion": KUEUE, "kind": "WorkloadPriorityClass", "metadata": {"name": name}, "value": value}
                for name, value in levels.items()
            )
        )
        return {
            "kubeconfig": str(user),
            "namespace": namespace,
            "queue": queue,
            "image": "qwex.test/python:3.11",
            "pull_policy": "IfNotPresent",
            "priorities": levels,
            # Nobody acknowledges here.
            "linger": 3,
            # As a device plugin does.
            "pod_template": {
                "spec": {"containers": [{"name": "job", "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "GPU-0"}]}]}
            },
        }

    @pytest.fixture
    def spec_fields(self) -> dict[str, Any]:
        return {"resources": {"cpu": "100m"}}

    @pytest.fixture
    def filling(self) -> dict[str, Any]:
        return {"resources": {"cpu": "1500m"}}

    @pytest.fixture
    def unreachable(self, context: BackendContext) -> KueueBackend:
        file = context.folder / "kubeconfig"
        with open(context.settings["kubeconfig"]) as real:
            host, _, port = real.read().partition("https://127.0.0.1:")
        file.write_text(f"{host}https://127.0.0.1:1{port[len(port.partition(chr(34))[0]) :]}")
        return KueueBackend(BackendContext(context.folder, {**context.settings, "kubeconfig": str(file)}))
