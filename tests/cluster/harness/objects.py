"""Kubernetes and Kueue objects as plain data, with what tests change about them as arguments."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from harness import images, kwok

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "GENEROUS",
    "QUEUE_LABEL",
    "cluster_queue",
    "homes",
    "job",
    "local_queue",
    "namespace",
    "pod",
    "role",
    "signing_request",
    "standard_queues",
]

KUEUE = "kueue.x-k8s.io/v1beta2"
QUEUE_LABEL = "kueue.x-k8s.io/queue-name"
#: The ClusterQueue of tests that do not care.
GENEROUS = "generous"

Object = dict[str, Any]


def standard_queues(*, default_namespace: bool) -> list[Object]:
    """Flavors ``default`` and ``kwok`` (fake nodes), ClusterQueues ``generous`` and ``team``.

    Namespace ``default`` gets a LocalQueue of each, ``default`` being the small one of ``team``, where that is asked.
    """
    flavors: list[Object] = [
        {"apiVersion": KUEUE, "kind": "ResourceFlavor", "metadata": {"name": "default"}},
        {
            "apiVersion": KUEUE,
            "kind": "ResourceFlavor",
            "metadata": {"name": "kwok"},
            "spec": {"nodeLabels": kwok.LABELS, "tolerations": [{**kwok.TAINT, "operator": "Equal"}]},
        },
    ]
    queues = [
        cluster_queue(GENEROUS, {"cpu": "200", "memory": "500Gi", "nvidia.com/gpu": "64"}),
        cluster_queue("team", {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "2"}),
    ]
    if default_namespace:
        queues += [local_queue("default", "default", "team"), local_queue("default", "large", GENEROUS)]
    return flavors + queues


def namespace(name: str) -> Object:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def cluster_queue(
    name: str,
    quotas: Mapping[str, str],
    *,
    flavor: str = "default",
    cohort: str | None = None,
    preemption: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Object:
    """A ClusterQueue with one flavor; ``spec`` overrides the rest, such as ``queueingStrategy``."""
    resources = [{"name": resource, "nominalQuota": quota} for resource, quota in quotas.items()]
    group = {"coveredResources": list(quotas), "flavors": [{"name": flavor, "resources": resources}]}
    found: dict[str, Any] = {"namespaceSelector": {}, "resourceGroups": [group]}
    found |= {"cohortName": cohort} if cohort else {}
    found |= {"preemption": dict(preemption)} if preemption else {}
    return {"apiVersion": KUEUE, "kind": "ClusterQueue", "metadata": {"name": name}, "spec": {**found, **spec}}


def local_queue(namespace: str, name: str, cluster_queue: str) -> Object:
    """A LocalQueue."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": KUEUE, "kind": "LocalQueue", "metadata": metadata, "spec": {"clusterQueue": cluster_queue}}


def pod(
    name: str,
    command: Sequence[str],
    *,
    image: str = images.PYTHON,
    requests: Mapping[str, str] | None = None,
    limits: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """A pod that runs once; ``spec`` overrides or adds fields of its spec."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels or {})},
        "spec": {**_pod_spec(command, image, requests, limits), **spec},
    }


def job(
    name: str,
    command: Sequence[str],
    *,
    queue: str = "default",
    image: str = images.PYTHON,
    requests: Mapping[str, str] | None = None,
    limits: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> Object:
    """A Job of one pod for a LocalQueue; ``annotations`` go to its pod, ``spec`` overrides fields of the pod's spec."""
    requests = requests or {"cpu": "100m", "memory": "64Mi"}
    template = {
        "metadata": {"annotations": dict(annotations or {})},
        "spec": {**_pod_spec(command, image, requests, limits), **spec},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {QUEUE_LABEL: queue, **(labels or {})}},
        "spec": {"suspend": True, "backoffLimit": 0, "template": template},
    }


def role(namespace: str, user: str, rules: Sequence[Mapping[str, Any]]) -> list[Object]:
    """A Role with these rules, and its binding to the user."""
    metadata = {"name": f"role-of-{user}", "namespace": namespace}
    api = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": f"{api}/v1", "kind": "Role", "metadata": metadata, "rules": [dict(rule) for rule in rules]},
        {
            "apiVersion": f"{api}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": api, "kind": "Role", "name": metadata["name"]},
            "subjects": [{"apiGroup": api, "kind": "User", "name": user}],
        },
    ]


def homes(folders: Sequence[Path]) -> list[Object]:
    """A default StorageClass with a volume for each folder: those of Kubernetes' own are root's alone to write."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    storage = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}
    none = "kubernetes.io/no-provisioner"
    kind = {"apiVersion": "v1", "kind": "PersistentVolume"}
    spec = {"capacity": {"storage": "100Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "homes"}
    return [
        {**storage, "metadata": {"name": "homes", "annotations": default}, "provisioner": none},
        *(
            {**kind, "metadata": {"name": f"home-{number}"}, "spec": {**spec, "hostPath": {"path": str(folder)}}}
            for number, folder in enumerate(folders)
        ),
    ]


def signing_request(name: str, request: str) -> Object:
    """What asks the cluster to sign a client's certificate."""
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(request.encode()).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        },
    }


def _pod_spec(
    command: Sequence[str], image: str, requests: Mapping[str, str] | None, limits: Mapping[str, str] | None
) -> dict[str, Any]:
    resources = {name: dict(amounts) for name, amounts in (("requests", requests), ("limits", limits)) if amounts}
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "resources": resources,
    }
    return {
        "containers": [container],
        "restartPolicy": "Never",
        # Python as process 1 ignores SIGTERM; nobody waits for it.
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
    }
