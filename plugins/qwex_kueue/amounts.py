"""Kubernetes quantities as numbers, and resources as people call them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from qwex.quantities import format_bytes, parse_memory

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["amount", "listed", "quantity", "summed", "unit"]

_UNITS = {"cpu": "core", "gpu": "GPU", "pods": "pod"}
_EXPONENT = re.compile(r"[+-]?[0-9.]+[eE][+-]?[0-9]+")


def quantity(text: str | float) -> float:
    """A quantity in its resource's own unit (cores, bytes, pieces), as the API writes it: 500m, 4, 8Gi, 1e3."""
    written = str(text).strip()
    if written.endswith("m"):
        return float(written[:-1]) / 1000
    if _EXPONENT.fullmatch(written):
        return float(written)
    try:
        return float(written)
    except ValueError:
        return float(parse_memory(written))


def summed(asked: Iterable[Mapping[str, str]]) -> dict[str, float]:
    """Several requests as one, without what is nothing."""
    total: dict[str, float] = {}
    for name, text in (item for each in asked for item in each.items()):
        total[name] = round(total.get(name, 0.0) + quantity(text), 3)
    return {name: number for name, number in total.items() if number}


def amount(resource: str, number: float) -> str:
    """``3 cores``, ``8.6 GB of memory``, ``2 GPUs``."""
    if resource == "memory":
        return f"{format_bytes(number)} of memory"
    return f"{number:g} {unit(resource, many=number != 1)}"


def unit(resource: str, *, many: bool = True) -> str:
    """``cores``, ``GPUs``; resources that have none by their own name."""
    one = _UNITS.get(resource.rpartition("/")[2])
    return f"{one}{'s' if many else ''}" if one else resource


def listed(words: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
