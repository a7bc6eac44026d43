"""For developers: notices that the code of qwex has changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import qwex

__all__ = ["code_changed"]

_SECONDS = 0.5


async def code_changed() -> None:
    """Return once a module of qwex was changed, added or removed."""
    before = _stamps()
    while _stamps() == before:  # noqa: ASYNC110 - for developers only
        await asyncio.sleep(_SECONDS)


def _stamps() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path(qwex.__file__).parent.rglob("*.py")}
