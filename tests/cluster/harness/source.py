"""Which cluster the tests get: one that is named, one that kind makes, or one built here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from harness import kind
from harness.cluster import BuiltCluster, Cluster, ExistingCluster

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["open_cluster"]


def open_cluster(name: str, say: Callable[[str], None]) -> Cluster:
    """The cluster that QWEX_TEST_KUBECONFIG names; else kind's, where Docker runs; else one from Go modules.

    Raises:
        ClusterError: none can be had; the text says what is missing.
    """
    named = os.environ.get("QWEX_TEST_KUBECONFIG")
    if named:
        kubeconfig = Path(named).expanduser()
        # One of ours, kept by ``make cluster-up``: its parts can be stopped.
        ours = BuiltCluster.find(kubeconfig.parent)
        cluster: Cluster = ours or ExistingCluster(kubeconfig)
        if ours:
            ours.processes.hold()
        cluster.prepare()
        return cluster
    if kind.available():
        return kind.KindCluster.start(name, say)
    return BuiltCluster.start(name, say=say)
