"""What inside a value keeps it from being pickled."""

from __future__ import annotations

import inspect
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Culprit", "find"]

_DEPTH = 20
_CHILDREN = 1000


class Culprit(NamedTuple):
    """The innermost part that fails: how it is reached (``model.layers[3]``), and the error it gives."""

    path: str
    value: Any
    error: Exception


def find(name: str, value: Any, error: Exception, pickled: Callable[[Any], object]) -> Culprit:
    """Descend from ``value``, which ``pickled`` refused with ``error``, to the part that is to blame."""
    found = Culprit(name, value, error)
    seen = {id(value)}
    for _ in range(_DEPTH):
        failing = _first_failing(found, seen, pickled)
        if failing is None:
            break
        found = failing
        seen.add(id(found.value))
    return found


def _first_failing(whole: Culprit, seen: set[int], pickled: Callable[[Any], object]) -> Culprit | None:
    for path, part in islice(_parts(whole.path, whole.value), _CHILDREN):
        if id(part) in seen:
            continue
        try:
            pickled(part)
        except Exception as error:  # whatever a type's own pickling raises
            return Culprit(path, part, error)
    return None


def _parts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if inspect.isfunction(value):
        yield from _used(path, value)
    elif inspect.ismethod(value):
        yield f"{path}.__self__", value.__self__
    elif isinstance(value, dict):
        yield from ((f"{path}[{key!r:.60}]", part) for key, part in list(value.items()))
    elif isinstance(value, (list, tuple)):
        yield from ((f"{path}[{index}]", part) for index, part in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield from ((f"an item of {path}", part) for part in value)
    if isinstance(value, type):
        return
    yield from ((f"{path}.{name}", part) for name, part in list(getattr(value, "__dict__", {}).items()))
    slots = (name for kind in type(value).__mro__ for name in _slots(kind))
    yield from ((f"{path}.{name}", getattr(value, name)) for name in slots if hasattr(value, name))


def _used(path: str, function: Any) -> Iterator[tuple[str, Any]]:
    """What a function carries along: enclosed variables, globals, defaults."""
    used = inspect.getclosurevars(function)
    for name, part in (*used.nonlocals.items(), *used.globals.items()):
        yield f"{name}, which {path}() uses,", part
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.default is not parameter.empty:
            yield f"the default of {name} in {path}()", parameter.default


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in names if not name.startswith("__"))
