"""Kubernetes quantities as numbers, and resources as people call them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from qwex.quantities import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["amount", "listed", "quantity", "summed", "unit"]

_UNITS = {"cpu": "core", "gpu": "GPU", "pods": "pod"}
#: The suffixes of https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
_DECIMAL = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_FACTORS = {
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(_DECIMAL, -3)},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(_BINARY)},
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([numkMGTPE]|[KMGTPE]i)|([eE][+-]?\d{1,3}))?", re.ASCII)


def quantity(text: str | float) -> float:
    """A quantity in its resource's own unit (cores, bytes, pieces), as the API writes it: 500m, 4, 8Gi, 1e3."""
    match = _QUANTITY.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    number, suffix, exponent = match.groups(default="")
    return float(Decimal(number + exponent) * _FACTORS[suffix])


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
