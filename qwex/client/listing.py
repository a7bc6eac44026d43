"""Which jobs are asked for, and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from qwex.record import JobRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Page", "query"]


class Page(NamedTuple):
    """Some of the jobs, in the order asked for; ``next_cursor`` leads to the rest, ``total`` counts all that match.

    ``missing`` says why there may be more that ``where`` would find; empty when that is all.
    """

    records: list[JobRecord]
    next_cursor: str | None
    total: int
    missing: str = ""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Page:
        """The page in an answer."""
        records = [JobRecord.from_dict(job) for job in raw["jobs"]]
        return cls(records, raw.get("next_cursor"), raw["total"], raw.get("missing", ""))


def query(**asked: Any) -> str:
    """The parameters that were given, those with several words as one."""
    words = {name: value if isinstance(value, (str, float, int)) else _listed(value) for name, value in asked.items()}
    return urlencode({name: value for name, value in words.items() if value != ""})


def _listed(value: Any) -> str:
    return ",".join(map(str, value or ()))
