"""What labels and resource names say of a node's GPUs, as device plugins and clouds write them."""

from __future__ import annotations

import pytest
from qwex_kueue.gpulabels import Device, device, is_gpu, label_of

H100 = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
#: gpu-feature-discovery of one GPU in two, each shared by four.
SHARED = {
    "nvidia.com/gpu.product": "Tesla-T4-SHARED",
    "nvidia.com/gpu.memory": "15360",
    "nvidia.com/gpu.count": "2",
    "nvidia.com/gpu.replicas": "4",
    "nvidia.com/gpu.sharing-strategy": "time-slicing",
}
SINGLE = {
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
    "nvidia.com/gpu.memory": "4864",
    "nvidia.com/mig.strategy": "single",
    "nvidia.com/gpu.sharing-strategy": "none",
}
MIXED = {
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB",
    "nvidia.com/gpu.memory": "40960",
    "nvidia.com/mig.strategy": "mixed",
    "nvidia.com/mig-3g.20gb.product": "NVIDIA-A100-SXM4-40GB-MIG-3g.20gb",
    "nvidia.com/mig-3g.20gb.memory": "19968",
}
GKE = {
    "cloud.google.com/gke-accelerator": "nvidia-l4",
    "cloud.google.com/gke-gpu-sharing-strategy": "time-sharing",
    "cloud.google.com/gke-max-shared-clients-per-gpu": "3",
}
MI300X = {"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM", "amd.com/gpu.vram": "192G"}
GPU = "nvidia.com/gpu"


@pytest.mark.parametrize(
    ("resource", "labels", "found"),
    [
        (GPU, H100, Device(GPU, "NVIDIA-H100-80GB-HBM3", 81559 << 20)),
        (GPU, {}, Device(GPU)),
        (GPU, {"qwex.dev/gpu": "A100"}, Device(GPU, "A100")),
        (GPU, SHARED, Device(GPU, "Tesla-T4", 15360 << 20, "", "time-slicing", 4)),
        (
            "nvidia.com/gpu.shared",
            {**SHARED, "nvidia.com/gpu.product": "Tesla-T4", "nvidia.com/gpu.sharing-strategy": "mps"},
            Device("nvidia.com/gpu.shared", "Tesla-T4", 15360 << 20, "", "mps", 4),
        ),
        (GPU, SINGLE, Device(GPU, "NVIDIA-A100-SXM4-40GB", 4864 << 20, "1g.5gb")),
        (
            GPU,
            {**SINGLE, "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb-SHARED"},
            Device(GPU, "NVIDIA-A100-SXM4-40GB", 4864 << 20, "1g.5gb", "time-slicing"),
        ),
        (
            "nvidia.com/mig-3g.20gb",
            MIXED,
            Device("nvidia.com/mig-3g.20gb", "NVIDIA-A100-SXM4-40GB", 19968 << 20, "3g.20gb"),
        ),
        (GPU, GKE, Device(GPU, "nvidia-l4", 0, "", "time-sharing", 3)),
        (
            GPU,
            {"cloud.google.com/gke-accelerator": "nvidia-l4", "cloud.google.com/gke-gpu-partition-size": "1g.10gb"},
            Device(GPU, "nvidia-l4", 0, "1g.10gb"),
        ),
        ("amd.com/gpu", MI300X, Device("amd.com/gpu", "AMD_Instinct_MI300X_OAM", 192 << 30)),
        ("amd.com/cpx_nps4", MI300X, Device("amd.com/cpx_nps4", "AMD_Instinct_MI300X_OAM", 192 << 30, "cpx_nps4")),
        (
            "gpu.intel.com/i915",
            {"gpu.intel.com/product": "Flex_170"},
            Device("gpu.intel.com/i915", "Flex_170"),
        ),
        (GPU, {**H100, "nvidia.com/gpu.memory": "much"}, Device(GPU, "NVIDIA-H100-80GB-HBM3")),
    ],
)  # fmt: skip
def test_a_device(resource, labels, found):
    assert is_gpu(resource)
    assert device(resource, labels) == found


@pytest.mark.parametrize(
    "resource",
    ["cpu", "hugepages-2Mi", "gpu.intel.com/i915_monitoring", "google.com/tpu", "example.com/gpu", "nvidia.com/gpux"],
)
def test_what_is_no_gpu(resource):
    assert not is_gpu(resource)


def test_the_label_of_a_model_is_that_of_its_maker():
    both = {**H100, **MI300X}
    assert label_of(GPU, both) == "nvidia.com/gpu.product"
    assert label_of("amd.com/gpu", both) == "amd.com/gpu.product-name"
    assert label_of("amd.com/gpu", H100) == ""
