"""A spec with changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["merged"]


#: Fields whose values are values as a whole, null and objects too.
_OPAQUE = ("parameters",)


def merged(spec: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """JSON merge patch (RFC 7396): objects are merged, null removes, everything else replaces.

    But for a notebook's parameters, any of which may be null or an object.
    """
    result = _patched(spec, {name: value for name, value in changes.items() if name not in _OPAQUE})
    for name in _OPAQUE:
        given = changes.get(name)
        if isinstance(given, dict):
            result[name] = {**(spec.get(name) or {}), **given}
        elif name in changes:
            result = _patched(result, {name: given})
    return result


def _patched(spec: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(spec)
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            before = result.get(name)
            result[name] = _patched(before if isinstance(before, dict) else {}, value)
        else:
            result[name] = value
    return result
