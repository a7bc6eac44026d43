"""GPUs in words: whole ones, slices and shares, what is not known, and what is left."""

from __future__ import annotations

import pytest

from qwex.gpus import GpuKind, GpuNode, GpuQuota
from qwex.gpuwords import kind_rows, quota_rows, remarks, what

GIB = 1 << 30
CORDONED = GpuNode("c", 4, 4, "is cordoned: it takes no new jobs", usable=False)
H100 = GpuKind(
    "kueue", "H100", "NVIDIA-H100-80GB-HBM3", 80 * GIB, 20, 3, "nvidia.com/gpu",
    nodes=(GpuNode("a", 8, 2), GpuNode("b", 8, 1), CORDONED),
)  # fmt: skip
SLICES = GpuKind("kueue", "", "NVIDIA-H100-80GB-HBM3", total=7, profile="1g.10gb")
SHARES = GpuKind("kueue", "1", "Tesla-T4", total=8, sharing="time-slicing", behind=2)


def test_a_row_has_what_is_known():
    row = ("H100", "kueue", "NVIDIA-H100-80GB-HBM3", "80 GiB", "2x8, 1x4", "20", "3", "2")
    assert kind_rows([H100]) == [row]
    assert kind_rows([GpuKind("kueue", "", "")]) == [("-", "kueue", "GPU", "?", "?", "?", "?", "?")]
    assert kind_rows([GpuKind("local", "1", "x", 80 * 10**9)])[0][3] == "80 GB"


@pytest.mark.parametrize(
    ("kind", "words", "remark"),
    [
        (SLICES, "1g.10gb slice of H100", "7 slices 1g.10gb of H100"),
        (
            SHARES,
            "share of T4, time-sliced",
            "8 shares of 2 GPUs (T4), time-sliced; each sees all of its memory; two shares are no more than one",
        ),
        (
            GpuKind("kueue", "1", "NVIDIA-H100", total=14, profile="1g.10gb", sharing="mps", behind=7),
            "share of 1g.10gb slice of H100, mps",
            "14 shares of 7 1g.10gb slices (H100), mps; two shares are no more than one",
        ),
    ],
)
def test_a_part_of_a_gpu_is_not_taken_for_one(kind, words, remark):
    assert what(kind) == words
    assert remarks([kind]) == [remark]


def test_a_node_that_takes_no_jobs_is_named_once():
    assert remarks([H100, H100]) == ["c is cordoned: it takes no new jobs"]


def test_many_nodes_with_the_same_trouble_are_counted():
    nodes = tuple(GpuNode(f"n{number}", 8, 0, "is cordoned", usable=False) for number in range(12))
    assert remarks([GpuKind("kueue", "1", "x", nodes=nodes)]) == ["n0, n1, n2 and 9 more: each is cordoned"]


@pytest.mark.parametrize(
    ("quota", "left"),
    [
        (GpuQuota("kueue", "q", "H100", 6, 8, 2, 0), "2 of 8"),
        (GpuQuota("kueue", "q", "H100", 6, 8, 2, 4), "2 of 8, and up to 4 of others"),
        (GpuQuota("kueue", "q", "H100", 6, 8, 2, None), "2 of 8, and what others do not use"),
        (GpuQuota("kueue", "q", "H100", 6), "not yours to see; 6 in use from this queue"),
    ],
)
def test_what_is_left_of_a_quota(quota, left):
    assert quota_rows([quota]) == [("q", "kueue", "H100", "-", left)]
