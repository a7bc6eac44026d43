"""Short lines on what goes on, each with the seconds since the beginning."""

from __future__ import annotations

import sys
import time
from typing import TextIO

__all__ = ["Progress", "silent"]


class Progress:
    """``say("…")`` prints one line."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._start = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start

    def __call__(self, text: str) -> None:
        """Print it."""
        print(f"{self.elapsed():6.1f} s  {text}", file=self._stream, flush=True)


def silent(_: str) -> None:
    """For those who want to hear nothing."""
