"""The blocking face of asynchronous methods.

Over the blocking transport a coroutine never suspends: every ``await`` in it ends in a blocking call. So it is driven
by one ``send``, in the caller's thread, without an event loop, and works inside a running one.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from typing import Concatenate, ParamSpec

    P = ParamSpec("P")

__all__ = ["Face", "blocking", "blocking_iterator", "drive", "iterate"]

T = TypeVar("T")


class Face:
    """Base of a blocking class: ``inner`` is the asynchronous one, over the blocking transport."""

    inner: Any


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError("a coroutine over the blocking transport suspended")


def iterate(items: AsyncIterator[T]) -> Iterator[T]:
    """What the asynchronous iterator gives; closed with this one."""
    try:
        while True:
            try:
                item = drive(_next(items))
            except StopAsyncIteration:
                return
            yield item
    finally:
        drive(_close(items))


async def _next(items: AsyncIterator[T]) -> T:
    return await items.__anext__()


async def _close(items: Any) -> None:
    await items.aclose()


def blocking(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Any, P], T]:
    """The blocking twin of an asynchronous method."""

    @functools.wraps(method)
    def call(self: Face, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return drive(method(self.inner, *args, **kwargs))

    return call


def blocking_iterator(
    method: Callable[Concatenate[Any, P], AsyncIterator[T]],
) -> Callable[Concatenate[Any, P], Iterator[T]]:
    """The blocking twin of an asynchronous generator."""

    @functools.wraps(method)
    def call(self: Face, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return iterate(method(self.inner, *args, **kwargs))

    return call
