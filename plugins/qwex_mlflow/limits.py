"""What MLflow takes in: names, lengths and counts, and how what is over is cut.

From mlflow/utils/validation.py of 3.17: 250 characters of a name, 6,000 of a parameter, 8,000 of a tag; in one request
1,000 metrics, 100 parameters, 100 tags.
"""

from __future__ import annotations

import math
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["METRICS", "PARAMS", "TAGS", "batches", "metric", "name", "pairs", "text"]

METRICS, PARAMS, TAGS = 1000, 100, 100
PARAM_CHARS, TAG_CHARS = 6000, 8000
_NAME_CHARS = 250
#: MLflow's own rule, without the slashes that would make paths of a name.
_NOT_A_NAME = re.compile(r"[^\w .:/-]")
#: The largest that its databases hold; not a number is kept as what it is.
_LARGEST = 1.7976931348623157e308


def name(given: str) -> str:
    """A name that MLflow takes: no signs but ``_ - . / :`` and blanks, not too long, no path."""
    cleaned = _NOT_A_NAME.sub("_", given).strip("/ ") or "_"
    return "/".join(part for part in cleaned.split("/") if part not in ("", ".", ".."))[:_NAME_CHARS] or "_"


def text(given: Any, limit: int) -> str:
    """A value as text, cut where it is too long, which it then says."""
    said = str(given)
    if len(said) <= limit:
        return said
    more = f"… [{len(said):,} characters in all]"
    return said[: limit - len(more)] + more


def pairs(given: Mapping[str, Any], limit: int) -> list[dict[str, str]]:
    """Parameters or tags as the API has them."""
    return [{"key": name(key), "value": text(value, limit)} for key, value in given.items()]


def metric(key: str, value: float, ts: float, step: int) -> dict[str, Any]:
    """A metric as the API has it; ``ts`` in seconds since the epoch."""
    if math.isinf(value):
        value = math.copysign(_LARGEST, value)
    # JSON has no word for what is not a number; MLflow reads this one.
    shown: Any = "NaN" if math.isnan(value) else value
    return {"key": name(key), "value": shown, "timestamp": round(ts * 1000), "step": step}


def batches(given: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Pieces of at most so many."""
    entries = iter(given)
    while piece := list(islice(entries, size)):
        yield piece
