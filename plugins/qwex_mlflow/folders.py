"""Artifacts in a tracking server's own folder, where that is on this machine (``mlflow server --no-serve-artifacts``).

The server says where that is, and may be anybody's. So nothing is written but below a folder that is there already and
is this user's, on a way that MLflow lays out for a run, with nothing hidden on it and no link.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["is_a_runs", "write"]

_ID = re.compile(r"[0-9A-Za-z]+")


def is_a_runs(folder: Path, experiment: str, run: str) -> bool:
    """Whether a run's artifacts may be there: ``…/<experiment>/<run>/artifacts``."""
    if not folder.is_absolute() or any(part.startswith(".") for part in folder.parts):
        return False
    if folder.parts[-3:] != (experiment, run, "artifacts") or not (_ID.fullmatch(experiment) and _ID.fullmatch(run)):
        return False
    there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    return there.resolve() == there and there.is_dir() and there.stat().st_uid == os.geteuid()


def write(path: Path, data: bytes) -> bool:
    """Whether that worked."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError:
        return False
    return True
