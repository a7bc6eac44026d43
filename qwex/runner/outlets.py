"""The worker's ``sys.stdout`` and ``sys.stderr``: every write is a write to fd 1 or 2, so a crash loses nothing."""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .channel import Channel

__all__ = ["Outlet", "install"]


class Outlet(io.TextIOWrapper):
    """A text stream on a file descriptor, without buffer.

    Where Python code goes over from one of the two streams to the other, a barrier keeps the order. Which of them was
    written last is kept in the *attribute* ``write``: on that one it is the bare function, on the other the method
    below. So a run of prints pays nothing for the order.
    """

    def __init__(self, fd: int, channel: Channel) -> None:
        raw = io.FileIO(fd, "w", closefd=False)
        super().__init__(io.BufferedWriter(raw), "utf-8", "backslashreplace", write_through=True)
        self._channel = channel
        self._bare = _writer(fd)
        self.other: Outlet | None = None

    def take_turn(self) -> None:
        """From now on this is the stream written last."""
        self.write = self._bare  # type: ignore[method-assign, assignment]
        if self.other is not None:
            self.other.__dict__.pop("write", None)

    def write(self, text: str) -> int:
        """Write after the other stream's text."""
        self._channel.barrier()
        self.take_turn()
        return self._bare(text)


def install(channel: Channel) -> None:
    """Make the standard streams of this process."""
    out, err = Outlet(1, channel), Outlet(2, channel)
    out.other, err.other = err, out
    out.take_turn()
    sys.stdout = sys.__stdout__ = out  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = err  # type: ignore[misc]
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # type: ignore[misc]  # noqa: SIM115


def _writer(fd: int) -> Callable[[str], int]:
    write = os.write

    def bare(text: str) -> int:
        try:
            data = text.encode("utf-8", "backslashreplace")
        except AttributeError:
            raise TypeError(f"write() argument must be str, not {type(text).__name__}") from None
        written = write(fd, data)
        while written < len(data):  # a signal came in between
            written += write(fd, memoryview(data)[written:])
        return len(text)

    return bare
