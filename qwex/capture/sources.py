"""The text of functions that travel by value: a traceback in the job shows their lines, wherever the job runs."""

from __future__ import annotations

import json
import linecache
from typing import TYPE_CHECKING

from qwex.capture.values import Packed, packed_bytes
from qwex.spec import INLINE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["pack_sources"]

_NAME = "__sources__"
#: Characters of one file beyond which its lines do not travel.
_LONGEST = 500_000


def pack_sources(files: Iterable[str], *, inline: int = INLINE_LIMIT) -> dict[str, Packed]:
    """The texts of the files by name, as the job's input ``__sources__``; nothing when no text is known.

    A notebook's cell counts as a file: IPython keeps its text in ``linecache``.
    """
    from qwex.capture.pickling import name_in_job

    texts = {name_in_job(name): "".join(linecache.getlines(name)) for name in sorted(files)}
    texts = {name: text for name, text in texts.items() if 0 < len(text) <= _LONGEST}
    if not texts:
        return {}
    return {_NAME: packed_bytes(json.dumps(texts).encode(), format="json", inline=inline)}
