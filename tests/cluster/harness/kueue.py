"""Kueue: its manager outside the cluster, its kinds, webhooks and visibility API inside."""

from __future__ import annotations

import http.client
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from harness.apiserver import ApiServer

if TYPE_CHECKING:
    from pathlib import Path

    from harness.layout import Layout

__all__ = ["FEATURES", "FRAMEWORKS", "install", "start"]

FRAMEWORKS = ("batch/job", "pod", "statefulset")
#: Reasons that tell waiting for quota from never fitting.
FEATURES = {"UnadmittedWorkloadsObservability": True, "UnadmittedWorkloadsExplicitStatus": True}
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def install(layout: Layout) -> None:
    """Put everything that Kueue needs into the cluster, start its manager, and only then its webhooks."""
    api = ApiServer(layout.kubeconfig)
    manifests = layout.programs.manifests
    crds = json.loads((manifests / "crds.json").read_text())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda crd: api.create(_CRDS, crd), crds))
    names = [crd["metadata"]["name"] for crd in crds]
    layout.processes.ready("apiserver", lambda: all(_established(api.get(f"{_CRDS}/{name}")) for name in names))
    api.create("/api/v1/namespaces", {"metadata": {"name": "kueue-system"}})
    port = layout.ports["kueue-visibility"]
    # The API server calls an aggregated API by its Service, and one with an external name needs no endpoints.
    service = {
        "metadata": {"name": "kueue-visibility-server"},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    }
    api.create("/api/v1/namespaces/kueue-system/services", service)
    _root(layout)
    start(layout)
    aggregated = {
        "metadata": {"name": "v1beta2.visibility.kueue.x-k8s.io"},
        "spec": {
            "group": "visibility.kueue.x-k8s.io",
            "version": "v1beta2",
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "service": {"name": "kueue-visibility-server", "namespace": "kueue-system", "port": port},
            "caBundle": layout.authority.bundle(),
        },
    }
    api.create("/apis/apiregistration.k8s.io/v1/apiservices", aggregated)
    for configuration in json.loads((manifests / "webhooks.json").read_text()):
        for hook in configuration["webhooks"]:
            _point(hook, layout)
        plural = configuration["kind"].lower() + "s"
        api.create(f"/apis/admissionregistration.k8s.io/v1/{plural}", configuration)


def start(layout: Layout) -> None:
    """Start the manager and wait until it answers webhooks."""
    chroot = shutil.which("chroot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "chroot"
    layout.processes.start(
        "kueue",
        chroot,
        str(_root_of(layout)),
        "/kueue",
        "--kubeconfig=/kubeconfig",
        "--config=/config.json",
        "--zap-log-level=1",
    )
    layout.processes.ready("kueue", lambda: _ready(layout.ports["kueue-health"]))


def _root_of(layout: Layout) -> Path:
    return layout.folder / "kueue"


def _root(layout: Layout) -> None:
    """A root folder of its own: the manager reads two certificates from fixed places, whatever its settings say."""
    root = _root_of(layout)
    for place in ("certificates", "etc/kueue/metrics/certs", "visibility", "tmp"):
        (root / place).mkdir(parents=True)
        if place != "tmp":
            shutil.copy(layout.authority.certificate("kueue"), root / place / "tls.crt")
            shutil.copy(layout.authority.key("kueue"), root / place / "tls.key")
    shutil.copy(layout.authority.folder / "kueue.kubeconfig", root / "kubeconfig")
    try:
        os.link(layout.programs["kueue"], root / "kueue")
    except OSError:  # another file system
        shutil.copy(layout.programs["kueue"], root / "kueue")
    settings = {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": "kueue-system",
        "health": {"healthProbeBindAddress": f"127.0.0.1:{layout.ports['kueue-health']}"},
        "metrics": {"bindAddress": "0"},
        "pprofBindAddress": "",
        "webhook": {"host": "127.0.0.1", "port": layout.ports["kueue-webhooks"], "certDir": "/certificates"},
        "leaderElection": {"leaderElect": False},
        "internalCertManagement": {"enable": False},
        "visibilityServer": {"bindAddress": "127.0.0.1", "bindPort": layout.ports["kueue-visibility"]},
        "clientConnection": {"qps": -1},
        "controller": {
            "groupKindConcurrency": {
                "Job.batch": 5,
                "Pod": 5,
                "Workload.kueue.x-k8s.io": 10,
                "LocalQueue.kueue.x-k8s.io": 5,
                "ClusterQueue.kueue.x-k8s.io": 5,
            }
        },
        "integrations": {"frameworks": list(FRAMEWORKS)},
        "waitForPodsReady": {"timeout": "30m"},
        "featureGates": FEATURES,
    }
    (root / "config.json").write_text(json.dumps(settings))


def _point(hook: dict[str, Any], layout: Layout) -> None:
    """Name the manager's address instead of a Service, and keep the cluster's own pods out of it."""
    path = hook["clientConfig"].pop("service")["path"]
    url = f"https://127.0.0.1:{layout.ports['kueue-webhooks']}{path}"
    hook["clientConfig"] = {"url": url, "caBundle": layout.authority.bundle()}
    if not any(rule["apiGroups"] == ["kueue.x-k8s.io"] for rule in hook["rules"]):
        own = ["kube-system", "kueue-system"]
        outside = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": own}
        hook["namespaceSelector"] = {"matchExpressions": [outside]}


def _ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def _established(crd: dict[str, Any] | None) -> bool:
    # A new one has null there.
    conditions = (crd or {}).get("status", {}).get("conditions") or []
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)
