"""Cells where there is no IPython: text, the last expression's value, tracebacks, top-level await."""

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

__all__ = ["Cells"]

_MAGIC = re.compile(r"^\s*[%!]", re.MULTILINE)


class Cells:
    """Runs cells as ``__main__``; see ``cell.run``."""

    def __init__(self, inputs: dict[str, Any], channel: Channel) -> None:
        self._channel = channel
        module = types.ModuleType("__main__")
        module.__dict__.update(__builtins__=builtins, display=_display(channel), **inputs)
        sys.modules["__main__"] = module
        self.namespace: dict[str, Any] = module.__dict__

    def run(self, text: str, number: int) -> None:
        """Run one, as ``In [number]``."""
        filename = f"Cell In[{number}]"
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        try:
            value = _execute(text, filename, self.namespace)
        except SyntaxError as error:
            if _MAGIC.search(text):
                message = "This Python has no IPython: magics (%) and shell lines (!) cannot be run."
                self._channel.send("notice", level="warning", code="no-ipython", message=message)
            raise _reported(error, self._channel) from None
        except SystemExit:
            raise
        except BaseException as error:
            raise _reported(error, self._channel) from None
        if value is not None:
            self._channel.send("result", data=_bundle(value), metadata={}, execution_count=number)


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
