"""A notebook's cell: in a plain IPython shell where the interpreter has IPython, else with ``exec``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from .channel import Channel
    from .job import Source

__all__ = ["has_inline_figures", "rehearse", "run"]

_INLINE = "module://matplotlib_inline.backend_inline"


def run(source: Source, inputs: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Run the cell and return its namespace.

    Raises:
        SystemExit: the cell ended itself.
        Reported: the cell raised, and the log has it.
    """
    shell = _shell()
    if shell is None:
        from . import plaincell

        return plaincell.run(source, _placed(source), inputs, channel)
    if "MPLBACKEND" not in os.environ and has_inline_figures():
        os.environ["MPLBACKEND"] = _INLINE
    namespace: dict[str, Any] = shell.run(source, _placed(source), inputs, channel)
    return namespace


def _shell() -> ModuleType | None:
    try:
        from . import shell
    except ImportError:
        return None
    return shell


@lru_cache
def has_inline_figures() -> bool:
    """Whether matplotlib's figures can be shown as they are in a notebook."""
    return importlib.util.find_spec("matplotlib_inline") is not None


def rehearse() -> None:
    """Warm up for a cell in a process that has IPython loaded."""
    loaded = sys.modules.get(__package__ + ".shell")
    if loaded is not None:
        loaded.rehearse()
        has_inline_figures()
        importlib.invalidate_caches()


def _placed(source: Source) -> str:
    """The text with the lines above it, so that line numbers are the notebook's. A cell magic must stay first."""
    if source.text.lstrip().startswith("%%"):
        return source.text
    return "# %%qwex\n" * source.line_offset + source.text
