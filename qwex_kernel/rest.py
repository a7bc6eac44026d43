"""When nobody needs the way to a kernel: a connection counts as use of its machine, and an idle kernel is none."""

from __future__ import annotations

import os
import re
import time

__all__ = ["Rest"]

#: The variable with the seconds of silence after which the connection is let go until somebody says something.
_VARIABLE, _DEFAULT = "QWEX_KERNEL_REST", "300"
#: What the kernel says of itself, as any of its writers of JSON has it, and how long that is at most.
_STATE, _LONGEST = re.compile(rb'"execution_state":\s?"(\w{4})'), 32


class Rest:
    """What is known of one kernel."""

    def __init__(self) -> None:
        self._seconds = float(os.environ.get(_VARIABLE, _DEFAULT))
        self._heard_at = time.monotonic()
        self._busy = False
        self._tail = b""

    def hear(self, data: bytes, *, published: bool) -> None:
        """The kernel has said something; ``published`` is what it says to all."""
        self._heard_at = time.monotonic()
        if published:
            text = self._tail + data
            if states := _STATE.findall(text):
                self._busy = states[-1] != b"idle"
            self._tail = text[-_LONGEST:]

    @property
    def is_due(self) -> bool:
        """Whether it has been idle and silent for long enough. A cell that runs may say something at any time."""
        return not self._busy and time.monotonic() - self._heard_at > self._seconds
