"""The cell as it is sent: checked before anything is submitted, and where its lines stand in the notebook."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwex.errors import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["CellSyntaxError", "check", "lines_above", "notebook", "number", "stem"]


class CellSyntaxError(InvalidSpec):
    """The cell is not Python; shown as IPython shows a syntax error, with the notebook's line number."""

    def __init__(self, error: SyntaxError, line: int, cell: str, lines_above: int, count: int) -> None:
        super().__init__(f"{error.msg} (line {line + lines_above})", problems=[("source", error.msg)])
        rows = cell.splitlines()
        self._rendered = [f"Cell In[{count}], line {line + lines_above}"]
        if line <= len(rows):
            self._rendered += [f"    {rows[line - 1]}", "    " + " " * max((error.offset or 1) - 1, 0) + "^"]
        self._rendered += [f"SyntaxError: {error.msg}", "", "Nothing was submitted."]

    def _render_traceback_(self) -> list[str]:
        return self._rendered


def check(shell: InteractiveShell, cell: str, lines_above: int) -> str:
    """The cell as plain Python: IPython's own syntax (``%magics``, ``!shell``) is translated.

    Raises:
        CellSyntaxError: it is not Python, top-level await included.
    """
    # IPython drops blank lines at the top, which would shift the numbers; a comment holds them.
    translate: Callable[[str], str] = shell.transform_cell
    held = "" if cell.lstrip().startswith("%%") else "#\n"
    try:
        code = translate(held + cell)
        compile(code, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        line = max((error.lineno or 1) - len(held.splitlines()), 1)
        raise CellSyntaxError(error, line, cell, lines_above, number(shell)) from None
    return code


def number(shell: InteractiveShell) -> int:
    """The running cell's number, In [n]; IPython 9 counts on before the cell runs, IPython 8 after."""
    hook: Any = shell.displayhook
    return max(int(hook.prompt_count), 0)


def lines_above(shell: InteractiveShell, cell: str) -> int:
    """How many lines of the notebook's cell stand above ``cell``: the magic's, and blank ones above that."""
    history: Any = shell.history_manager
    raw = history.input_hist_raw[-1] if history and history.input_hist_raw else ""
    body = cell.rstrip()
    if body and raw.rstrip().endswith(body):
        return int(raw.rstrip()[: -len(body)].count("\n"))
    return 1


def notebook(shell: InteractiveShell) -> dict[str, str]:
    """Where the cell stands, as far as the front end said it: ``path`` and ``cell_id``."""
    parent: Any = getattr(shell, "get_parent", dict)()
    cell_id = parent.get("metadata", {}).get("cellId") or shell.user_ns.get("__vsc_cell_id__", "")
    path = os.environ.get("JPY_SESSION_NAME") or shell.user_ns.get("__vsc_ipynb_file__", "")
    return {key: str(value) for key, value in (("path", path), ("cell_id", cell_id)) if value}


def stem(path: str) -> str:
    """A notebook's name for people: ``first_job`` of ``work/first_job.ipynb``."""
    return Path(path).name.removesuffix(".ipynb")
