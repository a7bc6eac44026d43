"""People as deploy/kueue makes them: with the rights it gives, and no others; and the namespaces they work in."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from harness import objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.cluster import Cluster

__all__ = ["BASE", "GROUP", "QUOTA_READERS", "a_namespace", "admit"]

BASE, QUOTA_READERS = (Path(__file__).parents[2] / "deploy" / "kueue" / name for name in ("base", "quota-readers"))
#: Whom deploy/kueue gives its rights to.
GROUP = "qwex-users"


@contextmanager
def a_namespace(cluster: Cluster) -> Iterator[str]:
    """One with a LocalQueue ``default`` that has quota for anything; its name."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.apply(objects.namespace(name), objects.local_queue(name, "default", objects.GENEROUS))
    yield name
    cluster.delete("namespace", name)


def admit(cluster: Cluster, namespace: str, *, reads_quotas: bool = True) -> Path:
    """The kubeconfig of somebody who may run jobs in the namespace, which takes restricted pods only."""
    group = GROUP if reads_quotas else f"{GROUP}-of-{namespace}"
    rights = list(yaml.safe_load_all((BASE / "users.yaml").read_text()))
    cluster.apply(*(_moved(each, namespace, group) for each in rights))
    if reads_quotas:
        cluster.apply(*yaml.safe_load_all((QUOTA_READERS / "readers.yaml").read_text()))
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted", "--overwrite")
    return cluster.kubeconfig_for("ada", [group])


def _moved(right: dict[str, Any], namespace: str, group: str) -> dict[str, Any]:
    moved = {**right, "metadata": {**right["metadata"], "namespace": namespace}}
    subjects = [{**each, "name": group} for each in right.get("subjects", ())]
    return {**moved, "subjects": subjects} if subjects else moved
