"""A cluster for the whole run, shared by all workers of it, and a namespace with a queue for each test."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from harness import objects, places
from harness.cluster import BuiltCluster
from harness.progress import silent
from harness.source import open_cluster
from people import a_namespace, admit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.cluster import Cluster


def pytest_itemcollected(item: pytest.Item) -> None:
    """Every test in this folder needs a cluster."""
    item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def cluster(run_id: str) -> Iterator[Cluster]:
    """A Kubernetes with Kueue; workers of one run share it, and it ends with the last of them."""
    found = open_cluster(f"test-{run_id}", silent)
    yield found
    found.close()


@pytest.fixture
def breakable(second_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster whose parts may be stopped, for one test at a time; who stops one starts it again."""
    with places.locked(second_cluster.folder / "breakable.lock"):
        yield second_cluster


@pytest.fixture(scope="session")
def run_id() -> str:
    """The same on all workers of one run."""
    return (os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex)[:8]


@pytest.fixture(scope="session")
def second_cluster(cluster: Cluster, run_id: str) -> Iterator[Cluster]:
    """One that no other test minds; where there is only one, it is that one, if no other worker uses it."""
    if isinstance(cluster, BuiltCluster):
        own = BuiltCluster.start(f"faults-{run_id}")
        yield own
        own.close()
    elif cluster.has_faults and "PYTEST_XDIST_WORKER" not in os.environ:
        yield cluster
    else:
        pytest.skip("parts of this cluster cannot be stopped without others noticing")


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of the test's own, with a LocalQueue ``default`` that has quota for anything."""
    with a_namespace(cluster) as name:
        yield name


@pytest.fixture
def user(cluster: Cluster, namespace: str) -> Path:
    """The kubeconfig of somebody who has the rights of deploy/kueue in that namespace, and no others."""
    return admit(cluster, namespace)


@pytest.fixture
def breakable_namespace(breakable: Cluster) -> Iterator[str]:
    """The same in the cluster whose parts may be stopped."""
    with a_namespace(breakable) as name:
        yield name


@pytest.fixture
def cluster_queue(cluster: Cluster, namespace: str) -> Iterator[Callable[..., str]]:
    """``cluster_queue({"cpu": "1"}, cohort=…, preemption=…)`` makes a ClusterQueue of the test's own.

    A LocalQueue of the same name leads to it; that name is returned.
    """
    made: list[str] = []

    def make(quotas: dict[str, str], *, name: str | None = None, **spec: object) -> str:
        name = f"{name or 'queue'}-{uuid.uuid4().hex[:8]}"
        queue = objects.cluster_queue(name, quotas, **spec)  # type: ignore[arg-type]
        cluster.apply(queue, objects.local_queue(namespace, name, name))
        made.append(name)
        return name

    yield make
    for name in made:
        cluster.delete("-n", namespace, "jobs,pods", "-l", f"{objects.QUEUE_LABEL}={name}")
        cluster.delete("clusterqueues.kueue.x-k8s.io", name)
