"""etcd, API server, controller-manager and scheduler."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from harness.apiserver import ApiServer

if TYPE_CHECKING:
    from harness.layout import Layout

__all__ = ["issue", "start_apiserver", "start_controllers", "start_etcd"]

_CERTIFICATES = {
    "admin": ("admin", ["system:masters"]),
    "controller-manager": ("system:kube-controller-manager", []),
    "scheduler": ("system:kube-scheduler", []),
    "apiserver-kubelet-client": ("apiserver-kubelet-client", ["system:masters"]),
    "proxy": ("system:auth-proxy", []),
}


def issue(layout: Layout) -> None:
    """Every certificate, and the kubeconfigs of those who are clients."""
    authority = layout.authority
    authority.create()
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", "10.0.0.1"]
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(authority.issue, name, user, groups=groups) for name, (user, groups) in _CERTIFICATES.items()
        ]
        jobs.append(pool.submit(authority.issue, "apiserver", "kube-apiserver", hosts=names))
        kueue = ["localhost", "127.0.0.1", "kueue-visibility-server.kueue-system.svc"]
        jobs.append(pool.submit(authority.issue, "kueue", "kueue", groups=["system:masters"], hosts=kueue))
        node = [layout.node, "127.0.0.1", *([layout.subnet.gateway] if layout.subnet else [])]
        user = f"system:node:{layout.node}"
        jobs.append(pool.submit(authority.issue, "node", user, groups=["system:nodes"], hosts=node))
        for job in jobs:
            job.result()
    for name in ("controller-manager", "scheduler", "node", "kueue"):
        authority.kubeconfig(name, layout.server)
    authority.kubeconfig("admin", layout.server, layout.kubeconfig)


def start_etcd(layout: Layout) -> None:
    """Start it; what it stored lives as long as the folder."""
    url = f"http://127.0.0.1:{layout.ports['etcd']}"
    layout.processes.start(
        "etcd",
        layout.programs["etcd"],
        "--data-dir", str(layout.folder / "etcd"),
        "--listen-client-urls", url,
        "--advertise-client-urls", url,
        "--listen-peer-urls", "http://127.0.0.1:0",
        "--unsafe-no-fsync",
        "--log-level", "warn",
    )  # fmt: skip


def start_apiserver(layout: Layout) -> None:
    """Start it and wait until it is ready."""
    pki = layout.authority
    flags = {
        "etcd-servers": f"http://127.0.0.1:{layout.ports['etcd']}",
        "secure-port": layout.ports["apiserver"],
        "bind-address": "127.0.0.1",
        "cert-dir": layout.folder / "apiserver",
        "tls-cert-file": pki.certificate("apiserver"),
        "tls-private-key-file": pki.key("apiserver"),
        "client-ca-file": pki.certificate("ca"),
        "authorization-mode": "Node,RBAC",
        "allow-privileged": "true",
        "enable-admission-plugins": "NodeRestriction",
        "service-cluster-ip-range": "10.0.0.0/24",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": pki.folder / "sa.pub",
        "service-account-signing-key-file": pki.folder / "sa.key",
        "kubelet-client-certificate": pki.certificate("apiserver-kubelet-client"),
        "kubelet-client-key": pki.key("apiserver-kubelet-client"),
        "kubelet-certificate-authority": pki.certificate("ca"),
        # Its other names are not resolved here.
        "kubelet-preferred-address-types": "InternalIP",
        "requestheader-client-ca-file": pki.certificate("ca"),
        "requestheader-allowed-names": "system:auth-proxy",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": pki.certificate("proxy"),
        "proxy-client-key-file": pki.key("proxy"),
        # Nothing in the cluster reaches an API server on 127.0.0.1.
        "endpoint-reconciler-type": "none",
    }
    layout.processes.start("apiserver", layout.programs["kube-apiserver"], *_words(flags))
    layout.processes.ready("apiserver", ApiServer(layout.kubeconfig).ready)


def start_controllers(layout: Layout) -> None:
    """Start controller-manager and scheduler, and wait until controllers work."""
    pki = layout.authority
    config = pki.folder / "controller-manager.kubeconfig"
    flags = {
        "kubeconfig": config,
        "authentication-kubeconfig": config,
        "authorization-kubeconfig": config,
        "secure-port": layout.ports["controller-manager"],
        "bind-address": "127.0.0.1",
        "cert-dir": layout.folder / "controller-manager",
        "service-account-private-key-file": pki.folder / "sa.key",
        "root-ca-file": pki.certificate("ca"),
        "cluster-signing-cert-file": pki.certificate("ca"),
        "cluster-signing-key-file": pki.key("ca"),
        "use-service-account-credentials": "true",
        "leader-elect": "false",
        "kube-api-qps": 1000,
        "kube-api-burst": 2000,
        "concurrent-job-syncs": 20,
        # A node that does not answer is lost after half of the usual time: its lease is renewed twice as often.
        "node-monitor-grace-period": "25s",
        # Persistent volumes are folders of the node.
        "enable-hostpath-provisioner": "true",
    }
    layout.processes.start("controller-manager", layout.programs["kube-controller-manager"], *_words(flags))
    config = pki.folder / "scheduler.kubeconfig"
    settings = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(config), "qps": 1000, "burst": 2000},
        "leaderElection": {"leaderElect": False},
    }
    (layout.folder / "scheduler.json").write_text(json.dumps(settings))
    flags = {
        "config": layout.folder / "scheduler.json",
        "authentication-kubeconfig": config,
        "authorization-kubeconfig": config,
        "secure-port": layout.ports["scheduler"],
        "bind-address": "127.0.0.1",
        "cert-dir": layout.folder / "scheduler",
    }
    layout.processes.start("scheduler", layout.programs["kube-scheduler"], *_words(flags))
    api = ApiServer(layout.kubeconfig)
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    layout.processes.ready("controller-manager", lambda: api.get(account))
    api.create("/apis/storage.k8s.io/v1/storageclasses", _STORAGE)


def _words(flags: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


_STORAGE = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "hostpath", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "kubernetes.io/host-path",
    "reclaimPolicy": "Delete",
}
