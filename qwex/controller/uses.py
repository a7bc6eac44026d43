"""Which blobs somebody has just asked for, and which are being removed: no blob is ever both.

A client asks whether bytes are there, is told that they are, and submits the job that needs them a moment later. No
job names them meanwhile, so the question itself keeps them.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["Uses"]

#: Seconds for which a use is remembered; no caller may ask for more.
_LONGEST = 2 * 86_400.0
#: Uses that are remembered before old ones are looked for.
_MANY = 10_000


class Uses:
    """Of this process alone, by the keys of objects."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}
        self._room = _MANY
        self._going: dict[str, asyncio.Event] = {}

    async def note(self, key: str) -> None:
        """The object is used now; when this returns, it is not being removed."""
        self._last[key] = self._clock()
        if len(self._last) > self._room:
            self._last = {key: at for key, at in self._last.items() if self._clock() - at < _LONGEST}
            self._room = max(_MANY, 2 * len(self._last))
        while going := self._going.get(key):
            await going.wait()

    def within(self, key: str, seconds: float) -> bool:
        """Whether it was used in the last so many seconds."""
        last = self._last.get(key)
        return last is not None and self._clock() - last < seconds

    @contextmanager
    def removing(self, keys: Collection[str], seconds: float) -> Iterator[list[str]]:
        """Those that were not used for so long; who asks for one of them waits until this is left.

        Not to be entered twice at a time.
        """
        going = asyncio.Event()
        unused = [key for key in keys if not self.within(key, seconds)]
        self._going = dict.fromkeys(unused, going)
        try:
            yield unused
        finally:
            self._going = {}
            going.set()
