"""Which GPUs a backend has, where, and how many are free: plain frozen data, and what they are called. No I/O."""

from __future__ import annotations

import itertools
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from qwex.quantities import parse_gpu

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["GpuKind", "GpuNode", "GpuQuota", "GpuReport", "short_name", "written"]

_WORDS = re.compile(r"[-_\s]+")
#: H100, A100, L40S, MI300X, GH200; not how one is mounted (SXM4) or what memory it has (HBM3, 80GB).
_MODEL = re.compile(r"(?!SXM|HBM)[A-Z]{1,3}\d{1,4}[A-Z]{0,2}", re.IGNORECASE)
_GIB = 1 << 30


@dataclass(frozen=True)
class GpuNode:
    """The GPUs of one kind on one node. What is not known is None."""

    name: str
    total: int
    free: int | None = None
    #: Why it takes no new jobs, or has fewer than it should; empty where all is well.
    problem: str = ""
    #: Whether it takes new jobs.
    usable: bool = True


@dataclass(frozen=True)
class GpuKind:
    """GPUs that are alike, of one backend; or parts of them that are given out as if they were GPUs."""

    backend: str
    #: What asks for one, after ``--gpu``: a model of the grammar, or 1 where it cannot be named; empty where nothing
    #: asks for it.
    type: str
    #: As its maker, or its place, calls it.
    model: str
    #: Bytes of each; 0 where it is not known.
    memory: int = 0
    #: Together; None where nobody may count them.
    total: int | None = None
    #: On nodes that take new jobs; None where it is not known.
    free: int | None = None
    #: What it is counted by: ``nvidia.com/gpu``; empty without such names.
    resource: str = ""
    #: The MIG profile of which each is a slice; empty for whole GPUs.
    profile: str = ""
    #: How each GPU, or slice, is shared by several (``time-slicing``, ``mps``); empty where it is not.
    sharing: str = ""
    #: How many GPUs, or slices, the shares are of; None where it is not known, or nothing is shared.
    behind: int | None = None
    #: Whether it is only pretended, for a test.
    simulated: bool = False
    nodes: tuple[GpuNode, ...] = ()

    @property
    def largest(self) -> GpuNode | None:
        """The node on which most are free; None where that is not known."""
        known = [node for node in self.nodes if node.usable and node.free is not None]
        return max(known, key=lambda node: node.free or 0, default=None)


@dataclass(frozen=True)
class GpuQuota:
    """GPUs that a queue may still give out, of one flavor. What is not known is None."""

    backend: str
    queue: str
    #: Of these, in the words of ``GpuKind.type``; empty where that is not known.
    type: str
    used: float
    #: What the queue has of its own, and what is left of it.
    nominal: float | None = None
    left: float | None = None
    #: What it may still take of others' that they do not use; None without limit, or where it is not known.
    borrowable: float | None = None
    flavor: str = ""
    resource: str = ""


@dataclass(frozen=True)
class GpuReport:
    """What a backend says of its GPUs; ``notes`` are sentences on what could not be read, and what helps."""

    kinds: tuple[GpuKind, ...] = ()
    quotas: tuple[GpuQuota, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """A plain dictionary, ready for JSON."""
        return asdict(self)


def short_name(model: str) -> str:
    """What people call it: ``H100`` for ``NVIDIA-H100-80GB-HBM3``, ``RTX4090``; empty where no word looks like it."""
    words = [word for word in _WORDS.split(model) if word]
    for word in words:
        if _MODEL.fullmatch(word):
            return word.upper()
    for before, word in itertools.pairwise(words):
        if re.fullmatch(r"\d{3,4}", word) and before.isalpha():
            return f"{before.upper()}{word}"
    return ""


def written(model: str, memory: int, others: Iterable[tuple[str, int]] = ()) -> str:
    """What asks for such a GPU in the grammar and for none of ``others``, where one can be told from them; else 1."""
    others = [other for other in others if other != (model, memory)]
    words = [short_name(model), *_WORDS.split(model)]
    named = [word for word in words if word[:1].isalpha()]
    size = f"{round(memory / _GIB)}GB" if memory >= _GIB else ""
    wider = [*(f"{name}:{size}" for name in named), size] if size else []
    for text in (*named, *wider):
        try:
            asked = parse_gpu(text)
        except ValueError:
            continue  # a word that the grammar has no place for
        if asked.accepts(model, memory) and not any(asked.accepts(*other) for other in others):
            return text
    return "1"
