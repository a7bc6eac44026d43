"""Answers as a person reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.wording import asked, waiting

if TYPE_CHECKING:
    from qwex.state import Why

__all__ = ["why_text"]


def why_text(why: Why) -> str:
    """Where the job stands, what it needs of what there is, and what would help."""
    lines = [f"  {line.resource}: {asked(line)}" for line in why.quota if line.requested]
    return "\n".join([waiting(why), *lines, *(f"  → {suggestion}" for suggestion in why.suggestions)])
