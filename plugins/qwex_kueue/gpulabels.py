"""What a node's labels and the names of its resources say of its GPUs. Pure.

Labels: NVIDIA's GPU Feature Discovery (https://github.com/NVIDIA/k8s-device-plugin, docs/gpu-feature-discovery), AMD's
node labeller (https://github.com/ROCm/k8s-device-plugin), Intel's device plugins, and what clouds write themselves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from qwex_kueue.amounts import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Device", "device", "is_gpu", "label_of"]

#: One of these is a GPU, or a part of one. Others of the same makers are not: ``gpu.intel.com/i915_monitoring``.
_RESOURCE = re.compile(
    r"nvidia\.com/(gpu|mig-[0-9a-z.]+)(\.shared)?|amd\.com/(gpu|[sdcqt]px_nps\d)|gpu\.intel\.com/(i915|xe)"
)
_MODELS = {
    "nvidia.com": (
        "nvidia.com/gpu.product",
        "cloud.google.com/gke-accelerator",
        "karpenter.k8s.aws/instance-gpu-name",
        "eks.amazonaws.com/instance-gpu-name",
        "k8s.amazonaws.com/accelerator",
        "gpu.nvidia.com/class",
        "gpu.nvidia.com/model",
        "karpenter.azure.com/sku-gpu-name",
    ),
    "amd.com": ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name"),
    "gpu.intel.com": ("gpu.intel.com/product",),
}
#: What somebody has written who has none of those.
_OWN = "qwex.dev/gpu"
#: What feature discovery puts behind a product: that it is cut, and that it is shared.
_PARTS = re.compile(r"(?:-MIG-(?P<profile>\d+g\.\d+gb[a-z0-9.+]*))?(?P<shared>-SHARED)?$")
_AMD_MEMORY = re.compile(r"\d+G", re.ASCII)
_MIB, _GIB = 1 << 20, 1 << 30


class Device(NamedTuple):
    """One kind of what a node gives out. Empty or 0 is not known, or not so."""

    resource: str
    model: str = ""
    #: Bytes of each.
    memory: int = 0
    #: The MIG profile.
    profile: str = ""
    #: How several share each, and how many.
    sharing: str = ""
    replicas: int = 1


def is_gpu(resource: str) -> bool:
    """Whether it counts GPUs, or parts of them."""
    return _RESOURCE.fullmatch(resource) is not None


def label_of(resource: str, labels: Mapping[str, str]) -> str:
    """Which of the labels names the model; empty where none does."""
    known = (*_MODELS.get(resource.partition("/")[0], ()), _OWN)
    return next((name for name in known if labels.get(name)), "")


def device(resource: str, labels: Mapping[str, str]) -> Device:
    """What one of ``resource`` is on a node with those labels."""
    model = labels.get(label_of(resource, labels), "")
    if resource.startswith("nvidia.com/"):
        return _nvidia(resource, model, labels)
    memory = 0
    if resource.startswith("amd.com/") and _AMD_MEMORY.fullmatch(vram := labels.get("amd.com/gpu.vram", "")):
        memory = int(vram[:-1]) * _GIB
    return Device(resource, model, memory, "" if resource.endswith(("/gpu", "/i915", "/xe")) else resource[8:])


def _nvidia(resource: str, model: str, labels: Mapping[str, str]) -> Device:
    """Cut GPUs have names of their own, or look like whole ones (``nvidia.com/mig.strategy``: mixed, single)."""
    parts = _PARTS.search(model)
    assert parts is not None  # it may be empty
    bare = resource.removesuffix(".shared")
    mixed = bare.partition("nvidia.com/mig-")[2]
    profile = mixed or parts["profile"] or labels.get("cloud.google.com/gke-gpu-partition-size", "")
    own = bare if mixed else "nvidia.com/gpu"
    replicas = _number(labels.get(f"{own}.replicas") or labels.get("cloud.google.com/gke-max-shared-clients-per-gpu"))
    if mixed:
        # The product of a slice is said with the slice; that of the node is the whole GPU's.
        model = labels.get(f"{own}.product", model)
        parts = _PARTS.search(model) or parts
    shared = replicas > 1 or bool(parts["shared"]) or bare != resource
    memory = _number(labels.get(f"{own}.memory"), 0) * _MIB
    return Device(
        resource, model[: parts.start()], memory, profile, _sharing(labels) if shared else "", max(replicas, 1)
    )


def _sharing(labels: Mapping[str, str]) -> str:
    said = labels.get("nvidia.com/gpu.sharing-strategy") or labels.get("cloud.google.com/gke-gpu-sharing-strategy")
    return said if said and said != "none" else "time-slicing"


def _number(text: str | None, default: int = 1) -> int:
    try:
        return int(quantity(text)) if text else default
    except ValueError:
        return default
