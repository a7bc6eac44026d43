"""What MLflow takes in: names, lengths, numbers and counts, and how what is over is cut.

From mlflow/utils/validation.py of 3.17: 250 characters of a name, 500 of an experiment's, 6,000 of a parameter, 8,000
of a tag; in one request 1,000 metrics, 100 parameters, 100 tags. Steps and times are 64-bit numbers in its databases,
and no larger than JSON's in its API.
"""

from __future__ import annotations

import hashlib
import math
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["METRICS", "PARAMS", "STEPS", "TAGS", "batches", "experiment", "metric", "name", "pairs", "text"]

METRICS, PARAMS, TAGS = 1000, 100, 100
PARAM_CHARS, TAG_CHARS = 6000, 8000
_NAME_CHARS, _EXPERIMENT_CHARS = 250, 500
#: The largest step, and the smallest without its sign: what JSON's readers agree on.
STEPS = 2**53
#: MLflow's own rule, without the slashes that would make paths of a name.
_NOT_A_NAME = re.compile(r"[^\w .:/-]")
#: The largest that its databases hold; not a number is kept as what it is.
_LARGEST = 1.7976931348623157e308


def name(given: str) -> str:
    """A name that MLflow takes: no signs but ``_ - . / :`` and blanks, not too long, no path."""
    cleaned = _NOT_A_NAME.sub("_", given).strip("/ ") or "_"
    return _short("/".join(part for part in cleaned.split("/") if part not in ("", ".", "..")), _NAME_CHARS) or "_"


def experiment(given: str) -> str:
    """An experiment's name that MLflow takes."""
    return _short(_encodable(given).strip() or "qwex", _EXPERIMENT_CHARS)


def _short(given: str, limit: int) -> str:
    """What is too long ends in a digest of the whole, so that two do not become one."""
    if len(given) <= limit:
        return given
    digest = hashlib.sha256(given.encode()).hexdigest()[:8]
    return f"{given[: limit - len(digest) - 1]}-{digest}"


def _encodable(given: str) -> str:
    """Without what databases take for no text."""
    return given.replace("\0", "").encode("utf-8", "replace").decode()


def text(given: Any, limit: int) -> str:
    """A value as text, cut where it is too long, which it then says."""
    said = _encodable(str(given))
    if len(said) <= limit:
        return said
    more = f"… [{len(said):,} characters in all]"
    return said[: limit - len(more)] + more


def pairs(given: Mapping[str, Any], limit: int) -> list[dict[str, str]]:
    """Parameters or tags as the API has them, each name once."""
    named = {name(key): text(value, limit) for key, value in given.items()}
    return [{"key": key, "value": value} for key, value in named.items()]


def metric(key: str, value: Any, ts: float, step: Any) -> dict[str, Any]:
    """A metric as the API has it; ``ts`` in seconds since the epoch.

    Raises:
        TypeError, ValueError: value or step are no numbers.
    """
    found = _float(value)
    if math.isinf(found):
        found = math.copysign(_LARGEST, found)
    # JSON has no word for what is not a number; MLflow reads this one.
    shown: Any = "NaN" if math.isnan(found) else found
    return {"key": name(key), "value": shown, "timestamp": _bounded(_float(ts) * 1000), "step": _bounded(step)}


def _float(given: Any) -> float:
    try:
        return float(given)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf if given > 0 else -math.inf


def _bounded(given: Any) -> int:
    return round(max(-STEPS, min(given if isinstance(given, int) else float(given), STEPS)))


def batches(given: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Pieces of at most so many."""
    entries = iter(given)
    while piece := list(islice(entries, size)):
        yield piece
