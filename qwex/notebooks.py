"""Notebooks as sources of jobs: the text that is frozen, the cells that are run, and the parameters they are given.

The format is nbformat 4's. Tags mean what they mean to papermill and nbclient: ``parameters`` marks the cell whose
names a job may set anew, ``injected-parameters`` the one that does so, ``raises-exception`` a cell that may fail, and
``skip-execution`` one that is left out.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from typing import TYPE_CHECKING, Any

from qwex.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["cells", "frozen", "parameter", "parsed", "settable", "with_parameters"]

Notebook = dict[str, Any]

_SETTABLE, _INJECTED, _MAY_RAISE, _SKIPPED = "parameters", "injected-parameters", "raises-exception", "skip-execution"
#: The state of widgets, which may be large, and what ``qwex notebook`` notes.
_LEFT_BY_RUNS = ("widgets", "qwex")
#: Since then cells have ids.
_MINOR = 5
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
#: Inside a job there is nothing for qwex's magics to do: what they stand above runs where the job does.
_MAGICS = re.compile(r"^(?=%%?qwex\b|%(?:re)?load_ext\s+qwex_magics\b)", re.MULTILINE)
#: A cell magic has to stand first.
_ABOVE_MAGIC = re.compile(r"\A%%qwex\b.*\n(?=%%)")
#: Names of constants as people write them who don't write Python.
_CONSTANTS = {"true": True, "false": False, "null": None, "none": None}


def parsed(text: str) -> Notebook:
    """The notebook in the text, with an id for each cell.

    Raises:
        ValueError: it is none, or none of Python's; says what to do.
    """
    try:
        notebook = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a notebook: {error}") from None
    if not isinstance(notebook, dict) or "nbformat" not in notebook:
        raise ValueError("not a notebook: it has no nbformat")
    if notebook["nbformat"] != 4:
        upgrade = "jupyter nbconvert --to notebook --inplace FILE.ipynb"
        raise ValueError(f"a notebook of format {notebook['nbformat']!r}; make it one of format 4: {upgrade}")
    _check_language(notebook.get("metadata"))
    found = notebook.get("cells")
    if not isinstance(found, list) or not all(isinstance(cell, dict) and "cell_type" in cell for cell in found):
        raise ValueError("a damaged notebook: its cells are none")
    metadata = notebook["metadata"] if isinstance(notebook.get("metadata"), dict) else {}
    minor = max(_minor(notebook), _MINOR)
    return {**notebook, "metadata": metadata, "nbformat_minor": minor, "cells": _named(found)}


def frozen(text: str) -> str:
    """The notebook as a job keeps it: without what running it left there, so that a run does not change its digest.

    Raises:
        ValueError: as ``parsed``.
    """
    notebook = parsed(text)
    notebook["metadata"] = {name: value for name, value in notebook["metadata"].items() if name not in _LEFT_BY_RUNS}
    for cell in _code(notebook):
        cell.update(outputs=[], execution_count=None)
        if isinstance(cell.get("metadata"), dict):
            cell["metadata"] = {name: value for name, value in cell["metadata"].items() if name != "execution"}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def cells(notebook: Notebook) -> list[dict[str, Any]]:
    """What the runner runs, in order: ``id``, ``text``, ``may_raise`` of each cell with code in it."""
    return [
        {"id": cell["id"], "text": _outside(_text(cell)), "may_raise": _MAY_RAISE in _tags(cell)}
        for cell in _code(notebook)
        if _text(cell).strip() and _SKIPPED not in _tags(cell)
    ]


def settable(notebook: Notebook) -> dict[str, str] | None:
    """The names that the cell tagged ``parameters`` assigns, with their defaults as code; None without such a cell."""
    cell = _tagged(notebook)
    return None if cell is None else _assigned(_text(cell))


def with_parameters(notebook: Notebook, parameters: Mapping[str, Any]) -> Notebook:
    """The notebook with a cell that sets these names, below the one tagged ``parameters``.

    Raises:
        ValueError: the notebook does not have such a parameter; names those it has.
    """
    if not parameters:
        return notebook
    cell, names = _tagged(notebook), list(settable(notebook) or ())
    if cell is None:
        raise ValueError("the notebook has no parameters: no cell has the tag 'parameters'. Tag the one with defaults")
    for name in parameters:
        if name not in names:
            there = f"There is: {', '.join(names)}" if names else "The cell tagged 'parameters' assigns none"
            raise ValueError(f"the notebook has no parameter {name!r}.{nearest(name, names)} {there}")
    others = [other for other in notebook["cells"] if _INJECTED not in _tags(other)]
    place = others.index(cell) + 1
    injected = _injected(parameters, {other["id"] for other in others})
    return {**notebook, "cells": [*others[:place], injected, *others[place:]]}


def parameter(text: str) -> Any:
    """A value as people write it: ``0.1``, ``[1, 2]``, ``true``, ``'1.0'``; other words are a text.

    Raises:
        ValueError: it begins as a list, a mapping or a quoted text, and is none that JSON has.
    """
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    try:
        value = ast.literal_eval(text.strip())
        return json.loads(json.dumps(value, allow_nan=False))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        if text.lstrip().startswith(("[", "{", "(", "'", '"')):
            raise ValueError(f"{text!r} is no value. A list: [1, 2], a mapping: {{'a': 1}}, a text: 'a'") from None
        return text


def _tagged(notebook: Notebook) -> dict[str, Any] | None:
    """The cell with the defaults."""
    tagged = (cell for cell in _code(notebook) if _SETTABLE in _tags(cell) and _INJECTED not in _tags(cell))
    return next(tagged, None)


def _injected(parameters: Mapping[str, Any], taken: set[str]) -> dict[str, Any]:
    names = (f"{_INJECTED}-{n}" if n else _INJECTED for n in itertools.count())
    text = "".join(f"{name} = {value!r}\n" for name, value in parameters.items())
    return {
        "cell_type": "code",
        "id": next(name for name in names if name not in taken),
        "metadata": {"tags": [_INJECTED]},
        "source": f"# Parameters\n{text}",
        "execution_count": None,
        "outputs": [],
    }


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _check_language(metadata: Any) -> None:
    about = metadata if isinstance(metadata, dict) else {}
    for place, key in (("kernelspec", "language"), ("language_info", "name")):
        language = about[place].get(key) if isinstance(about.get(place), dict) else None
        if language and str(language).lower() not in ("python", "ipython", "python3"):
            raise ValueError(f"a notebook in {language}; only those in Python can be jobs")


def _minor(notebook: Notebook) -> int:
    minor = notebook.get("nbformat_minor")
    return minor if isinstance(minor, int) else 0


def _named(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cells, each with an id that no other has."""
    taken: set[str] = set()
    named = []
    for at, cell in enumerate(found, 1):
        id = cell.get("id")
        if not isinstance(id, str) or not _ID.fullmatch(id) or id in taken:
            id = next(name for n in itertools.count(at) if (name := f"cell-{n}") not in taken)
        taken.add(id)
        named.append({**cell, "id": id, "source": _text(cell)})
    return named


def _code(notebook: Notebook) -> Iterator[dict[str, Any]]:
    return (cell for cell in notebook["cells"] if cell["cell_type"] == "code")


def _text(cell: Mapping[str, Any]) -> str:
    """The cell's source, which nbformat allows to be a list of lines."""
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _outside(text: str) -> str:
    """The code without qwex's magics. Its lines keep their numbers, but for a cell magic that has to move up."""
    return _MAGICS.sub("# ", _ABOVE_MAGIC.sub("", text))


def _tags(cell: Mapping[str, Any]) -> list[str]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else []


def _assigned(text: str) -> dict[str, str]:
    """The names that the top level assigns, in order, each with its first value as code; magics are not looked at."""
    code = "".join("\n" if line.startswith(("%", "!")) else line for line in text.splitlines(keepends=True))
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[str, str] = {}
    for statement in body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            value = statement.value and ast.get_source_segment(code, statement.value)
            for target in targets:
                for name in _names(target):
                    # Of ``a, b = 1, 2`` no part of the value is a's alone.
                    found.setdefault(name, value or "" if isinstance(target, ast.Name) else "")
    return found


def _names(target: ast.expr) -> Iterator[str]:
    """Those that an assignment to the target binds."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Starred):
        yield from _names(target.value)
    elif isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            yield from _names(part)
