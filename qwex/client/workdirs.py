"""Folders that come along with jobs: packed and stored before these are sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["send_along"]


async def send_along(entries: Sequence[dict[str, Any]], store: Callable[[bytes], Awaitable[str]]) -> None:
    """Have each folder that is to come along as an input instead, of which ``store`` gives the digest.

    Raises:
        InvalidSpec: there is no such folder, or it is too large.
    """
    if not any(entry["spec"].get("workdir") for entry in entries):
        return
    from qwex.capture.workdir import archived
    from qwex.spec import WORKDIR

    sent: dict[str, dict[str, Any]] = {}
    for entry in entries:
        raw = entry["spec"]
        if not (folder := raw.pop("workdir", "")):
            continue
        if folder not in sent:
            data = archived(Path(folder))
            sent[folder] = {"digest": await store(data), "size": len(data), "format": "bytes", "type_name": "folder"}
        raw["inputs"] = {**raw.get("inputs", {}), WORKDIR: sent[folder]}
        _name_within(raw, folder)


def _name_within(raw: dict[str, Any], folder: str) -> None:
    """A script of that folder by its path in it, so that it finds its neighbours in the copy."""
    source = raw.get("source") or {}
    if source.get("kind") == "script" and os.path.isabs(name := source.get("name") or ""):
        within = os.path.relpath(name, folder)
        if not within.startswith(".."):
            raw["source"] = {**source, "name": within}
