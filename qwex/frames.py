"""An error of qwex as its caller sees it in a notebook: the frames down to the call, and none below."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["as_called"]

_OURS = f"{Path(__file__).parent}{os.sep}"


def as_called(error: BaseException) -> list[str]:
    """The lines that IPython shows. Called by IPython alone, so it is there to be imported."""
    from IPython import get_ipython

    shell: Any = get_ipython()
    if shell is None:
        return [f"{type(error).__name__}: {error}"]
    kept = _above(error.__traceback__)
    lines: list[str] = shell.InteractiveTB.structured_traceback(type(error), error, kept)
    return lines


def _above(trace: TracebackType | None) -> TracebackType | None:
    """The traceback up to the first frame of qwex."""
    entries = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    first = next((at for at, entry in enumerate(entries) if _is_ours(entry)), len(entries))
    kept = None
    for entry in reversed(entries[:first]):
        kept = TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def _is_ours(entry: TracebackType) -> bool:
    return entry.tb_frame.f_code.co_filename.startswith(_OURS)
