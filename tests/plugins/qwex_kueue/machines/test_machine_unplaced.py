"""What is said of a machine that no node takes."""

from __future__ import annotations

import pytest
from qwex_kueue.machines.unplaced import explain
from qwex_kueue.objects import Pod

CLAIM = "qwex-train-abcdef-home"


def waiting(message, status="False"):
    condition = {"type": "PodScheduled", "status": status, "reason": "Unschedulable", "message": message}
    return Pod.of({"metadata": {"name": "p", "uid": "1"}, "spec": {}, "status": {"conditions": [condition]}})


@pytest.mark.parametrize(
    ("message", "trouble", "summary", "suggestion"),
    [
        (
            "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
            'storageclass.storage.k8s.io "nosuch" not found',
            'its home has no volume: storageclass.storage.k8s.io "nosuch" not found',
            "--storage-class",
        ),
        (
            "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            "",
            f"its home has no volume: its claim {CLAIM} waits for one",
            "--storage-class",
        ),
        (
            "0/2 nodes are available: 1 node(s) didn't match PersistentVolume's node affinity, 1 Insufficient cpu.",
            "",
            f"1 had no way to its volume, 1 had not enough cores free. That is the volume of its home, {CLAIM}",
            "only where its home is",
        ),
        (
            "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
            "",
            f"of 1 node 1 had no way to its volume. That is the volume of its home, {CLAIM}",
            "only where its home is",
        ),
        ("0/2 nodes are available: 2 Insufficient cpu.", "", "2 had not enough cores free", "machine start"),
    ],
)
def test_what_keeps_it_is_named(message, trouble, summary, suggestion):
    found = explain(waiting(message), CLAIM, trouble)
    assert summary in found.summary
    assert suggestion in found.suggestions[0]


def test_one_that_has_a_node_is_none_of_this():
    assert explain(waiting("", "True"), CLAIM, "old") is None
