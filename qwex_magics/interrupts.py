"""Stop, while a job is followed: it takes effect between two events, never in the middle of showing one."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Interrupts", "kernel_ends"]

#: Seconds that the request to end, or the end itself, comes after the interrupt at the latest, and between two looks.
_AT_ONCE, _LOOK = 0.5, 0.02


class Interrupts:
    """While entered, SIGINT raises KeyboardInterrupt, except inside ``shield``, which puts it off to its end."""

    def __init__(self) -> None:
        self._before: Any = None
        self._shielded = False
        self._pending = False

    def __enter__(self) -> Interrupts:
        try:
            self._before = signal.signal(signal.SIGINT, self._handle)
        except ValueError:  # not the main thread: no signal arrives here
            self._before = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    @contextmanager
    def shield(self) -> Iterator[None]:
        """Run the body whole; an interrupt that comes meanwhile is raised after it."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def _handle(self, *_: object) -> None:
        if self._shielded:
            self._pending = True
        else:
            raise KeyboardInterrupt


def kernel_ends(shell: InteractiveShell) -> bool:
    """Whether an interrupt was no Stop but the first thing that is done to a kernel that ends or is started anew.

    jupyter_client interrupts a kernel before it asks it to shut down, or kills it. ipykernel takes the request in on a
    thread of its own, and keeps its answer for later. Call it in a shield: a person may press again meanwhile.
    """
    kernel = getattr(shell, "kernel", None)
    deadline = time.monotonic() + (_AT_ONCE if kernel else 0)
    while time.monotonic() < deadline:
        if getattr(kernel, "_shutdown_message", None) is not None:
            return True
        time.sleep(_LOOK)
    return False
