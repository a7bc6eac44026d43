"""What GPUs are called, and what asks for one of them."""

from __future__ import annotations

import pytest

from qwex.gpus import GpuKind, GpuNode, short_name, written
from qwex.quantities import parse_gpu

GIB = 1 << 30


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("NVIDIA-H100-80GB-HBM3", "H100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA-A100-SXM4-40GB", "A100"),
        ("Tesla-T4", "T4"),
        ("NVIDIA-L40S", "L40S"),
        ("NVIDIA-GH200-480GB", "GH200"),
        ("NVIDIA-RTX-A6000", "A6000"),
        ("NVIDIA-GeForce-RTX-4090", "RTX4090"),
        ("AMD_Instinct_MI300X_OAM", "MI300X"),
        ("Max_1100", "MAX1100"),
        ("nvidia-h200-141gb", "H200"),
        ("l40s", "L40S"),
        ("H100_NVLINK_80GB", "H100"),
        ("simulated", ""),
        ("", ""),
    ],
)
def test_what_people_call_it(model, name):
    assert short_name(model) == name


A100_40, A100_80 = ("NVIDIA A100-SXM4-40GB", 40 * GIB), ("NVIDIA A100-SXM4-80GB", 80 * GIB)
RTX, SLICE = ("NVIDIA GeForce RTX 4090", 24 * GIB), ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", 4864 << 20)


@pytest.mark.parametrize(
    ("one", "others", "text"),
    [
        (A100_80, (), "A100"),
        (A100_80, (RTX,), "A100"),
        (A100_80, (A100_40,), "A100:80GB"),
        (A100_40, (A100_80,), "A100:40GB"),
        (SLICE, (A100_80,), "MIG"),
        (RTX, (A100_80,), "GeForce"),
        (("", 24 * GIB), (A100_80,), "24GB"),
        (("", 0), (A100_80,), "1"),
        (("simulated", 0), (), "simulated"),
    ],
)
def test_what_is_shown_asks_for_that_gpu_and_no_other(one, others, text):
    assert written(*one, [one, *others]) == text
    asked = parse_gpu(text)
    assert asked.accepts(*one)
    assert text == "1" or not any(asked.accepts(*other) for other in others)


def test_the_most_on_one_node_is_of_those_that_take_jobs():
    nodes = (GpuNode("a", 8, 2), GpuNode("b", 8, 8, "is cordoned", usable=False), GpuNode("c", 8))
    kind = GpuKind("kueue", "H100", "NVIDIA-H100-80GB-HBM3", nodes=nodes)
    assert kind.largest == nodes[0]
    assert GpuKind("kueue", "H100", "", nodes=nodes[1:]).largest is None
