"""Keys that a machine lets in, one by one: who shares a machine knows the names of the others' keys alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from qwex.errors import InvalidSpec, nearest
from qwex.machinespec import PublicKey
from qwex.spec import validated
from qwex.sshkeys import key_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["with_guests"]


class _Guests(BaseModel):
    """What changes say of keys."""

    keys: list[PublicKey] | None = None
    add_keys: list[PublicKey] | None = None
    remove_keys: list[str] | None = None


def with_guests(keys: Sequence[str], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes with all ``keys`` as they are to be, in place of ``add_keys`` and ``remove_keys``.

    Raises:
        InvalidSpec: one is no key, two keys would have the same name, or there is none of the name.
    """
    rest = {name: value for name, value in changes.items() if name not in ("add_keys", "remove_keys")}
    if len(rest) == len(changes):
        return rest
    said = {name: changes[name] for name in _Guests.model_fields if name in changes}
    given: _Guests = validated(_Guests.model_validate, said)
    now = given.keys or [] if "keys" in said else [*keys]
    for line in given.add_keys or ():
        now = _added(now, line)
    for name in given.remove_keys or ():
        now = _removed(now, name.strip())
    return {**rest, "keys": now}


def _added(keys: list[str], line: str) -> list[str]:
    kept = [each for each in keys if _bare(each) != _bare(line)]
    if len(line.split(" ", 2)) > 1 and key_name(line) in map(key_name, kept):
        message = f"a key named {key_name(line)!r} is let in already; give this one a comment of its own"
        raise InvalidSpec.of("add_keys", message)
    return [*kept, line]


def _removed(keys: list[str], name: str) -> list[str]:
    found = [each for each in keys if name in (key_name(each), key_name(_bare(each))) or _bare(each) == _bare(name)]
    if len(found) != 1:
        known = [key_name(each) for each in keys]
        fingerprints = ", ".join(key_name(_bare(each)) for each in found)
        there = f"Name one by its fingerprint: {fingerprints}" if found else f"There is: {', '.join(known)}"
        many = f"{len(found)} keys are" if found else "no key is"
        raise InvalidSpec.of("remove_keys", f"{many} named {name!r}.{nearest(name, known)} {there}")
    return [each for each in keys if each not in found]


def _bare(line: str) -> str:
    """The key without its comment."""
    return " ".join(line.split(" ", 2)[:2])
