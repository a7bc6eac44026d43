"""Values on their way into a job: pickled by value, small ones inline, large ones as blobs."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Literal, NamedTuple

from qwex.capture.culprit import Culprit, find
from qwex.errors import CaptureError
from qwex.runner.values import PYTHON
from qwex.spec import INLINE_LIMIT, Value

__all__ = ["Packed", "pack", "packed_bytes"]

#: What to do instead, by what stands in the name of the type that cannot be pickled.
_WAYS_OUT = (
    (("lock", "condition", "semaphore", "event"), "Make the lock inside the code that runs as the job"),
    (("socket", "connection", "cursor", "engine", "session"), "Connect inside the code that runs as the job"),
    (("textiowrapper", "buffered", "fileio"), "Send the file's path and open it inside the job"),
    (("generator", "iterator", "coroutine"), "Send a list of what it gives"),
    (("thread", "executor", "pool", "process", "popen", "task", "future"), "Start it inside the code of the job"),
)
_WAY_OUT = "Make it inside the code that runs as the job, or leave it out of what is sent"


class Packed(NamedTuple):
    """A value for ``JobSpec.inputs``, and its bytes when they travel as a blob."""

    value: Value
    blob: bytes | None
    #: Where the code inside it was written.
    files: frozenset[str] = frozenset()


def pack(name: str, value: Any, *, inline: int = INLINE_LIMIT) -> Packed:
    """``value`` ready to be sent as the variable ``name``; up to ``inline`` bytes travel inside the spec.

    Raises:
        CaptureError: it cannot be pickled; the message names the variable and what in it is to blame.
    """
    from qwex.capture.pickling import pickled

    try:
        data, files = pickled(value)
    except Exception as error:  # whatever a type's own pickling raises
        raise _refusal(name, find(name, value, error, pickled)) from error
    packed = packed_bytes(data, type_name=_type_name(value), inline=inline)
    if files:
        packed = packed._replace(value=packed.value.model_copy(update={"python": PYTHON}), files=files)
    return packed


def packed_bytes(
    data: bytes,
    *,
    format: Literal["cloudpickle", "json"] = "cloudpickle",
    type_name: str = "",
    inline: int = INLINE_LIMIT,
) -> Packed:
    """Bytes ready to be sent."""
    text = base64.b64encode(data).decode() if len(data) <= inline else ""
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    value = Value(digest=digest, size=len(data), format=format, type_name=type_name, data=text)
    return Packed(value, None if text else data)


def _refusal(name: str, culprit: Culprit) -> CaptureError:
    kind = _type_name(culprit.value)
    way_out = next((way for words, way in _WAYS_OUT if any(word in kind.lower() for word in words)), _WAY_OUT)
    what = f"it is a {kind}" if culprit.path == name else f"{culprit.path} is a {kind}"
    return CaptureError(f"{name} cannot be sent: {what} ({culprit.error}). {way_out}.", name=name)


def _type_name(value: Any) -> str:
    kind = type(value)
    full = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    return "".join(sign for sign in full if sign.isprintable())[:200]
