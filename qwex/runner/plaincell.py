"""A cell where there is no IPython: text, the last expression's value, tracebacks, top-level await."""

from __future__ import annotations

import ast
import asyncio
import builtins
import inspect
import linecache
import re
import sys
import types

from . import tracebacks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .channel import Channel
    from .job import Source

__all__ = ["run"]

_MAGIC = re.compile(r"^\s*[%!]", re.MULTILINE)


def run(source: Source, text: str, inputs: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Run the cell; see ``cell.run``."""
    count = source.execution_count or 1
    filename = f"Cell In[{count}]"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, display=_display(channel), **inputs)
    sys.modules["__main__"] = module
    try:
        value = _execute(text, filename, module.__dict__)
    except SyntaxError as error:
        if _MAGIC.search(text):
            message = "This Python has no IPython: magics (%) and shell lines (!) cannot be run."
            channel.send("notice", level="warning", code="no-ipython", message=message)
        raise _reported(error, channel) from None
    except SystemExit:
        raise
    except BaseException as error:
        raise _reported(error, channel) from None
    if value is not None:
        channel.send("result", data=_bundle(value), metadata={}, execution_count=count)
    return module.__dict__


def _execute(text: str, filename: str, namespace: dict[str, Any]) -> Any:
    """Run the statements; the value of the last one when it is an expression without semicolon."""
    tree = ast.parse(text, filename)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not text.rstrip().endswith(";"):
        last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
    _evaluate(tree, filename, "exec", namespace)
    return _evaluate(last, filename, "eval", namespace) if last is not None else None


def _evaluate(tree: ast.Module | ast.Expression, filename: str, mode: str, namespace: dict[str, Any]) -> Any:
    code = compile(tree, filename, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    value = eval(code, namespace)  # noqa: S307
    return asyncio.run(value) if code.co_flags & inspect.CO_COROUTINE else value


def _reported(error: BaseException, channel: Channel) -> tracebacks.Reported:
    channel.send("error", **tracebacks.describe(error))
    return tracebacks.Reported(error)


def _display(channel: Channel) -> Any:
    def display(*objects: Any) -> None:
        """Show objects as IPython's ``display`` does, as far as text and HTML go."""
        for thing in objects:
            channel.send("display", data=_bundle(thing), metadata={}, transient={})

    return display


def _bundle(thing: Any) -> dict[str, str]:
    bundle = {"text/plain": repr(thing)}
    html = getattr(thing, "_repr_html_", None)
    if html is not None and not isinstance(thing, type) and (text := html()) is not None:
        bundle["text/html"] = text
    return bundle
