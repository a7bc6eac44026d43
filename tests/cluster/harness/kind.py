"""A cluster of kind's, where Docker runs: the same objects, other ways to start and to stop."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import yaml

from harness import images, kueue, kwok, node, places
from harness.cluster import Cluster
from harness.errors import ClusterError
from harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["KindCluster", "available"]

_KUEUE = "https://github.com/kubernetes-sigs/kueue/releases/download/v0.19.2/manifests.yaml"
_KWOK = "https://github.com/kubernetes-sigs/kwok/releases/download/v0.8.0"
_CONFIG = {
    "kind": "Cluster",
    "apiVersion": "kind.x-k8s.io/v1alpha4",
    "nodes": [{"role": "control-plane"}],
}
_DEPLOYMENT = ("-n", "kueue-system", "deployment/kueue-controller-manager")
#: Static pods whose manifest lies here run.
_STATIC = "/etc/kubernetes/manifests"


def available() -> bool:
    """Whether kind is installed and a Docker engine answers."""
    if not shutil.which("kind") or not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


class KindCluster(Cluster):
    """One node in one container."""

    has_faults = True
    has_images = True

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(folder / "kubeconfig", folder)
        self._name = name
        self._node = f"{name}-control-plane"

    @classmethod
    def start(cls, name: str, say: Callable[[str], None]) -> KindCluster:
        """Make the cluster; it is removed by ``close``. Workers of one test run share it by its name."""
        folder = places.folder_of(f"kind-{name}"[:20].rstrip("-"))
        cluster = cls(f"qwex-{name}", folder)
        with places.locked(folder.with_suffix(".lock"), lambda: say("another process starts the cluster")):
            if not (folder / "ready").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                try:
                    cluster._create(say)
                except BaseException:
                    cluster._remove()
                    raise
            with (folder / "ready").open("a") as holders:
                holders.write("1")
        return cluster

    def close(self) -> None:
        """Remove it, if nobody else of the run uses it."""
        with places.locked(self.folder.with_suffix(".lock")):
            holders = (self.folder / "ready").read_text()[1:]
            if holders:
                (self.folder / "ready").write_text(holders)
            else:
                self._remove()

    def stop_apiserver(self) -> None:
        """Take its manifest away and wait until it is gone."""
        self._in_node("mv", f"{_STATIC}/kube-apiserver.yaml", "/root/")
        wait_until(lambda: self.run_kubectl("get", "--raw", "/readyz").returncode != 0, "the API server's end", 60)

    def start_apiserver(self) -> None:
        """Put its manifest back."""
        self._in_node("mv", "/root/kube-apiserver.yaml", f"{_STATIC}/")
        wait_until(lambda: self.run_kubectl("get", "--raw", "/readyz").returncode == 0, "the API server", 120)

    def stop_kueue(self) -> None:
        """No replica of its manager."""
        self.kubectl("scale", "--replicas=0", *_DEPLOYMENT)
        self.kubectl("wait", "-n", "kueue-system", "pods", "--all", "--for=delete", "--timeout=60s")

    def start_kueue(self) -> None:
        """One replica, and its webhooks answer."""
        self.kubectl("scale", "--replicas=1", *_DEPLOYMENT)
        self.kubectl("rollout", "status", *_DEPLOYMENT, "--timeout=120s")
        self.prepare()

    def stop_kubelet(self) -> None:
        """By the node's systemd."""
        self._in_node("systemctl", "stop", "kubelet")

    def start_kubelet(self) -> None:
        """And its GPUs again."""
        self._in_node("systemctl", "start", "kubelet")
        self.kubectl("wait", "node", self._node, "--for=condition=Ready", "--timeout=120s")
        self._give_gpus()

    def _create(self, say: Callable[[str], None]) -> None:
        say("kind creates a cluster")
        config = self.folder / "kind.json"
        config.write_text(json.dumps(_CONFIG))
        words = ["--name", self._name, "--kubeconfig", str(self.kubeconfig), "--config", str(config), "--wait", "120s"]
        _run("kind", "create", "cluster", *words)
        for image in images.planned():
            _run("kind", "load", "image-archive", "--name", self._name, str(images.make(image, say)))
        self._give_gpus()
        say("installing Kueue and kwok")
        self.kubectl("apply", "--server-side", "-f", _KUEUE)
        self._configure_kueue()
        self.kubectl("rollout", "status", *_DEPLOYMENT, "--timeout=300s")
        for file in ("kwok.yaml", "stage-fast.yaml"):
            self.kubectl("apply", "-f", f"{_KWOK}/{file}")
        self.kubectl("rollout", "status", "-n", "kube-system", "deployment/kwok-controller", "--timeout=300s")
        self.apply(kwok.node())
        self.prepare()

    def _configure_kueue(self) -> None:
        """Its shipped settings with what tests count on, and a manager that has read them."""
        name = "kueue-manager-config"
        found: dict[str, Any] = self.get("-n", "kueue-system", "configmap", name)
        settings = yaml.safe_load(found["data"]["controller_manager_config.yaml"])
        settings["integrations"] = {**settings.get("integrations", {}), "frameworks": list(kueue.FRAMEWORKS)}
        settings["featureGates"] = {**settings.get("featureGates", {}), **kueue.FEATURES}
        settings["clientConnection"] = {"qps": -1}
        data = {"data": {"controller_manager_config.yaml": yaml.safe_dump(settings)}}
        self.kubectl("patch", "-n", "kueue-system", "configmap", name, "--type=merge", "-p", json.dumps(data))
        self.kubectl("rollout", "restart", *_DEPLOYMENT)

    def _give_gpus(self) -> None:
        gpus = {"nvidia.com/gpu": str(node.GPUS)}
        patch = json.dumps({"status": {"capacity": gpus, "allocatable": gpus}})
        self.kubectl("patch", "node", self._node, "--subresource=status", "--type=merge", "-p", patch)

    def _in_node(self, *words: str) -> None:
        _run("docker", "exec", self._node, *words)

    def _remove(self) -> None:
        _run("kind", "delete", "cluster", "--name", self._name)
        shutil.rmtree(self.folder, ignore_errors=True)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"{' '.join(words)} failed:\n{done.stderr[-1500:]}")
