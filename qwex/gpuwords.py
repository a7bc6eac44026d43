"""GPUs in words and rows: every front end says them the same. Pure, and cheap to import."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from qwex.gpus import short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.gpus import GpuKind, GpuQuota

__all__ = ["KINDS", "NONE", "QUOTAS", "kind_rows", "quota_rows", "remarks", "what"]

#: What is said where there are none.
NONE = "no GPUs that qwex knows of"
#: Headings of both tables; the second word is left out where there is one backend only.
KINDS = ("TYPE", "BACKEND", "GPU", "MEMORY", "NODES", "TOTAL", "FREE", "ON ONE NODE")
QUOTAS = ("QUEUE", "BACKEND", "TYPE", "FLAVOR", "LEFT")
#: What is not known, and is not guessed.
_UNKNOWN = "?"
_SHARING = {"time-slicing": "time-sliced", "time-sharing": "time-sliced"}
#: Nodes that are named; of further ones it is said how many they are.
_NAMED = 3


def kind_rows(kinds: Sequence[GpuKind]) -> list[tuple[str, ...]]:
    """A line each: what asks for it, backend, what it is, memory, nodes, how many, how many are free, on one node."""
    return [
        (
            kind.type or "-",
            kind.backend,
            what(kind),
            _memory(kind.memory),
            _nodes(kind),
            _UNKNOWN if kind.total is None else str(kind.total),
            _UNKNOWN if kind.free is None else str(kind.free),
            _UNKNOWN if kind.largest is None and kind.free is None else str(kind.largest.free if kind.largest else 0),
        )
        for kind in kinds
    ]


def quota_rows(quotas: Sequence[GpuQuota]) -> list[tuple[str, ...]]:
    """A line each: queue, backend, of which GPUs, flavor, what is left."""
    return [(quota.queue, quota.backend, quota.type or _UNKNOWN, quota.flavor or "-", _left(quota)) for quota in quotas]


def what(kind: GpuKind) -> str:
    """``NVIDIA-H100-80GB-HBM3``, ``1g.10gb slice of H100``, ``share of T4, time-sliced``."""
    model = kind.model or "GPU"
    part = f"{kind.profile} slice of {short_name(model) or model}" if kind.profile else model
    if kind.sharing:
        whole = part if kind.profile else short_name(model) or model
        return f"share of {whole}, {_SHARING.get(kind.sharing, kind.sharing)}"
    return f"{part} (simulated)" if kind.simulated else part


def remarks(kinds: Sequence[GpuKind]) -> list[str]:
    """What the rows have no room for: parts of GPUs, and nodes that are not as they should be."""
    parts = [_part(kind) for kind in kinds if kind.profile or kind.sharing]
    troubled: dict[str, list[str]] = {}
    for problem, name in dict.fromkeys((node.problem, node.name) for kind in kinds for node in kind.nodes):
        if problem:
            troubled.setdefault(problem, []).append(name)
    return [*parts, *(_troubled(names, problem) for problem, names in troubled.items())]


def _troubled(names: Sequence[str], problem: str) -> str:
    """``gpu-3 is cordoned``; ``gpu-3, gpu-4, gpu-5 and 9 more: each is cordoned``."""
    if len(names) == 1:
        return f"{names[0]} {problem}"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}: each {problem}"


def _part(kind: GpuKind) -> str:
    """``7 slices 1g.10gb of H100``, ``8 shares of 2 GPUs (T4), time-sliced``."""
    model = short_name(kind.model) or kind.model or "GPU"
    total = _UNKNOWN if kind.total is None else str(kind.total)
    if not kind.sharing:
        return f"{total} slices {kind.profile} of {model}"
    one = f"{kind.profile} slice" if kind.profile else "GPU"
    behind = "" if kind.behind is None else f"{kind.behind} "
    shared = f"{total} shares of {behind}{one}{'' if kind.behind == 1 else 's'} ({model})"
    memory = "; each sees all of its memory" if _SHARING.get(kind.sharing) else ""
    return f"{shared}, {_SHARING.get(kind.sharing, kind.sharing)}{memory}; two shares are no more than one"


def _memory(size: int) -> str:
    """``80 GiB``, as makers mean it when they write 80GB; ``80 GB`` where it is that, as somebody wrote it."""
    if not size:
        return _UNKNOWN
    return f"{size / 10**9:g} GB" if size % 10**9 == 0 else f"{size / (1 << 30):.0f} GiB"


def _nodes(kind: GpuKind) -> str:
    """``2x8, 1x4``: two nodes with eight each, one with four."""
    if not kind.nodes:
        return _UNKNOWN
    sizes = Counter(node.total for node in kind.nodes)
    return ", ".join(f"{count}x{size}" for size, count in sorted(sizes.items(), reverse=True))


def _left(quota: GpuQuota) -> str:
    """``2 of 8, and up to 4 of others``."""
    if quota.nominal is None:
        return f"not yours to see; {quota.used:g} in use from this queue"
    own = f"{quota.left or 0:g} of {quota.nominal:g}"
    if quota.borrowable is None:
        return f"{own}, and what others do not use"
    return f"{own}, and up to {quota.borrowable:g} of others" if quota.borrowable else own
