"""Values on their way into a job and back: packed before it is submitted, bound when all of them are whole."""

from __future__ import annotations

import builtins
import hashlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from qwex.errors import CaptureError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qwex.capture.values import Packed
    from qwex.client import Client
    from qwex_magics.line import Problems
    from qwex_magics.story import Story

__all__ = ["fetch", "missing", "own", "pack", "upload"]

#: Names that IPython puts into every notebook, beside those of builtins.
_SHELLS = ("In", "Out", "exit", "quit", "get_ipython")


def missing(names: Sequence[str], namespace: Mapping[str, Any]) -> Problems:
    """A problem for each name the notebook does not have."""
    known = own(namespace)
    return [("-i", f"no variable {n!r} in the notebook.{nearest(n, known)}") for n in names if n not in namespace]


def own(namespace: Mapping[str, Any]) -> list[str]:
    """The notebook's own data by name: not what IPython and Python put beside it, and no modules."""
    named = (name for name, value in namespace.items() if not isinstance(value, ModuleType))
    return [name for name in named if not (name.startswith("_") or name in _SHELLS or hasattr(builtins, name))]


def pack(names: Sequence[str], namespace: Mapping[str, Any]) -> dict[str, Packed]:
    """The named variables, ready for a spec, with the texts of the functions in them.

    Raises:
        CaptureError: one cannot be pickled; names it.
    """
    if not names:
        return {}
    from qwex.capture.sources import pack_sources
    from qwex.capture.values import pack as pack_value

    packed = {name: pack_value(name, namespace[name]) for name in names}
    return {**packed, **pack_sources(file for value in packed.values() for file in value.files)}


def upload(client: Client, packed: Mapping[str, Packed]) -> None:
    """Hand the controller the values that are too large to travel inside a spec."""
    for value in packed.values():
        if value.blob is not None:
            client.put_blob(value.blob)


def fetch(client: Client, story: Story, names: Sequence[str]) -> dict[str, Any]:
    """The named values of a job that succeeded, all or none, each checked against its digest.

    Raises:
        CaptureError: one is not there, not what the job wrote, or cannot be loaded here.
    """
    for name in names:
        if name not in story.values:
            raise _lost(story, name, "the job did not write it")
    return {name: _load(story, name, client.value(story.record.id, name)) for name in names}


def _load(story: Story, name: str, data: bytes) -> Any:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if story.values[name]["digest"] != digest:
        raise _lost(story, name, "its bytes are not those the job wrote")
    from qwex.capture.loading import load

    try:
        return load(data, story.values[name].get("python", ""))  # only the submitting user's own client loads a result
    except CaptureError as error:
        raise _lost(story, name, f"it cannot be loaded here: {error}") from None
    except Exception as error:
        # Whatever a class does while it is loaded; the message names it.
        raise _lost(story, name, f"it cannot be loaded here: {type(error).__name__}: {error}") from error


def _lost(story: Story, name: str, why: str) -> CaptureError:
    again = f"%qwex attach {story.record.id} -o {name}"
    return CaptureError(f"-o {name}: {why}. Nothing was bound. The job keeps it; try again with: {again}", name=name)
