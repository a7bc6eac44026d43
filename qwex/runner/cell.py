"""A notebook's cells: in a plain IPython shell where the interpreter has IPython, else with ``exec``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from functools import lru_cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from . import plaincell, shell
    from .channel import Channel
    from .job import Source

__all__ = ["begin", "has_inline_figures", "rehearse", "run", "run_all"]

_INLINE = "module://matplotlib_inline.backend_inline"


def begin(inputs: dict[str, Any], channel: Channel) -> shell.Cells | plaincell.Cells:
    """A namespace with the inputs in it, in which cells are run."""
    try:
        from . import shell
    except ImportError:
        from . import plaincell

        return plaincell.Cells(inputs, channel)
    if "MPLBACKEND" not in os.environ and has_inline_figures():
        os.environ["MPLBACKEND"] = _INLINE
    return shell.Cells(inputs, channel)


def run(source: Source, cells: shell.Cells | plaincell.Cells) -> None:
    """Run the cell.

    Raises:
        SystemExit: the cell ended itself.
        Reported: the cell raised, and the log has it.
    """
    cells.run(_placed(source), source.execution_count or 1)


def run_all(source: Source, cells: shell.Cells | plaincell.Cells, channel: Channel) -> None:
    """Run a notebook's cells up to the first that raises and may not.

    Raises:
        SystemExit: a cell ended the job.
        Reported: a cell raised, and the log has it.
    """
    from . import tracebacks

    for number, each in enumerate(source.cells, 1):
        channel.send("cell", id=each["id"], number=number, total=len(source.cells))
        try:
            cells.run(each["text"], number)
        except tracebacks.Reported:
            if not each["may_raise"]:
                raise


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
