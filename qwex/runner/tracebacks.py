"""Exceptions as ``error`` records: the traceback Python would print, without the runner's own frames."""

from __future__ import annotations

import linecache
import os
import sys
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Reported", "describe", "headline", "render"]

#: As its code objects have it: compiled ahead, that is not where the file lies.
_RUNNER = os.path.dirname((lambda: None).__code__.co_filename) + os.sep
_HEADLINE_CHARS = 500


class Reported(Exception):
    """The user's exception ``error`` has been put into the log already."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def describe(error: BaseException, rendered: list[str] | None = None) -> dict[str, Any]:
    """The fields of an ``error`` record; ``rendered`` is the traceback when it was made elsewhere."""
    return {
        "ename": type(error).__name__,
        "evalue": _text(error),
        "traceback": render(error) if rendered is None else rendered,
        "frames": _frames(error),
    }


def headline(error: BaseException) -> str:
    """The exception in one line."""
    text = f"{type(error).__name__}: {_text(error)}".split("\n", 1)[0].rstrip(": ")
    return text if len(text) <= _HEADLINE_CHARS else text[: _HEADLINE_CHARS - 1] + "…"


def render(error: BaseException) -> list[str]:
    """Lines as Python prints them, chained exceptions and groups included."""
    try:
        whole = traceback.TracebackException(type(error), error, error.__traceback__)
        _strip(whole, set())
        return "".join(whole.format()).splitlines()
    except Exception as broken:
        # Only an exception whose own methods raise gets here: a broken __str__ must not hide that the job failed.
        return [f"{type(error).__name__}: <its text cannot be made: {type(broken).__name__}>"]


def _strip(whole: traceback.TracebackException, seen: set[int]) -> None:
    if id(whole) in seen:
        return
    seen.add(id(whole))
    whole.stack[:] = [entry for entry in whole.stack if not _is_internal(entry.filename)]
    related = [whole.__cause__, whole.__context__, *(getattr(whole, "exceptions", None) or [])]
    for other in related:
        if other is not None:
            _strip(other, seen)


def _frames(error: BaseException) -> list[dict[str, Any]]:
    """Outermost first."""
    frames = []
    for frame, lineno in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if not _is_internal(code.co_filename):
            line = linecache.getline(code.co_filename, lineno, frame.f_globals).strip()
            frames.append({"filename": code.co_filename, "lineno": lineno, "name": code.co_name, "line": line})
    return frames


def _is_internal(filename: str) -> bool:
    """Whether a frame belongs to the runner, or to IPython's way of running a cell."""
    return filename.startswith((_RUNNER, *_ipython_folder()))


def _ipython_folder() -> list[str]:
    package = sys.modules.get("IPython")
    return [os.path.dirname(package.__file__) + os.sep] if package is not None and package.__file__ else []


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:
        return f"<its text cannot be made: {type(broken).__name__}>"
