"""A notebook's file as a job: frozen as it stands now, its code looked at before it waits in a queue."""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING, Any

from qwex import notebooks
from qwex.errors import InvalidSpec
from qwex.options import read_pairs
from qwex.quantities import format_bytes
from qwex.spec import LONGEST_TEXT, Source, validated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["check_syntax", "parameters", "source"]

#: What only IPython understands: magics, shell lines, help, calls without parentheses; also their values.
_IPYTHON = re.compile(r"^\s*[%!?/,;]|=\s*[%!]|\?\s*$", re.MULTILINE)


def source(path: Path, text: str) -> Source:
    """The source of a job that runs the notebook with that text.

    Raises:
        InvalidSpec: it is none that can be run.
    """
    try:
        frozen = notebooks.frozen(text)
    except ValueError as error:
        raise InvalidSpec.of("notebook", f"{path}: {error}") from None
    if len(frozen) > LONGEST_TEXT:
        has, most = format_bytes(len(frozen)), format_bytes(LONGEST_TEXT)
        advice = "Keep what is large, such as pictures in its text, in files beside it"
        raise InvalidSpec.of("notebook", f"{path} has {has} without its outputs, and {most} is the most. {advice}")
    made: Source = validated(Source, kind="notebook", text=frozen, name=str(path.absolute()))
    return made


def check_syntax(path: Path, source: Source) -> None:
    """Refuse a cell that this Python cannot compile; those with IPython's own syntax are left to the job.

    Raises:
        InvalidSpec: names the cell and the line.
    """
    for number, cell in enumerate(notebooks.cells(notebooks.parsed(source.text)), 1):
        if cell["may_raise"] or _IPYTHON.search(cell["text"]):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the job will say them
                compile(cell["text"], str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            where = f"{path}, cell {number} of those with code" + (f", line {line}" if line else "")
            raise InvalidSpec.of(
                "notebook", f"{where}: {getattr(error, 'msg', error) or type(error).__name__}. Nothing was submitted"
            ) from None


def parameters(pairs: Sequence[str]) -> dict[str, Any]:
    """``{"lr": 0.1}`` from ``["lr=0.1"]``.

    Raises:
        InvalidSpec: a pair has no ``=``, a name stands twice, or a value is none.
    """
    read = {}
    for name, text in read_pairs(pairs, "param").items():
        try:
            read[name] = notebooks.parameter(text)
        except ValueError as error:
            raise InvalidSpec.of(f"param {name}", str(error)) from None
    return read
