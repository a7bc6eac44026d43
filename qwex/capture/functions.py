"""A function and a call of it, as a job's source and inputs."""

from __future__ import annotations

import inspect
import textwrap
from typing import TYPE_CHECKING, Any

from qwex.capture.values import Packed, pack
from qwex.errors import CaptureError
from qwex.spec import Source, validated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["describe", "pack_call"]


def describe(function: Callable[..., Any]) -> Source:
    """The function's source text, for people; empty where Python cannot tell it."""
    name = getattr(function, "__name__", None) or type(function).__name__
    result: Source = validated(Source, kind="function", text=_text(function), name=name)
    return result


def pack_call(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Packed:
    """The arguments of one call of the function ``name``.

    Raises:
        CaptureError: one of them cannot be sent; names it.
    """
    try:
        return pack(name, (args, dict(kwargs)))
    except CaptureError:
        for place, value in (*((f"argument {at}", arg) for at, arg in enumerate(args, 1)), *kwargs.items()):
            pack(f"{place} of {name}()", value)
        raise


def _text(function: Callable[..., Any]) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""
