"""The supervisor's end of the worker's fd 1 or 2: bytes in, batches of text for ``stream`` records out."""

from __future__ import annotations

import codecs
import contextlib
import os
import re

__all__ = ["PIPE_BYTES", "TextStream", "collapse", "widen"]

#: Asked of the kernel for each pipe, so that a job seldom waits for its log.
PIPE_BYTES = 1 << 20
#: Characters of one record.
_RECORD_CHARS = 256 * 1024

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_RESETS = ("\x1b[0m", "\x1b[m")
_MOVES = re.compile(r"[\x00-\x1f\x7f]")


class TextStream:
    """Decodes what arrives and keeps it until it is taken."""

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd
        self.open = True
        self.size = 0
        self.settled = True
        self._parts: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        os.set_blocking(fd, False)

    def fileno(self) -> int:
        """For select."""
        return self.fd

    def fill(self) -> int:
        """Read once; the number of bytes, 0 when nothing is there or the other end is closed."""
        if not self.open:
            return 0
        try:
            data = os.read(self.fd, PIPE_BYTES)
        except BlockingIOError:
            return 0
        if not data:
            self.open = False
            return 0
        text = self._decoder.decode(data)
        self.size += len(text)
        self.settled = text.endswith("\n")
        self._parts.append(text)
        return len(data)

    def drain(self) -> None:
        """Read what is there now, and not for ever when somebody keeps writing."""
        total = 0
        while total < 2 * PIPE_BYTES and (got := self.fill()):
            total += got

    def end(self) -> None:
        """Nothing follows: half a character becomes a replacement character."""
        self._parts.append(self._decoder.decode(b"", final=True))
        self.size += len(self._parts[-1])

    def take(self) -> list[str]:
        """The texts of the next records, in order."""
        text = collapse("".join(self._parts))
        self._parts.clear()
        self.size = 0
        return [text[start : start + _RECORD_CHARS] for start in range(0, len(text), _RECORD_CHARS)]


def collapse(text: str) -> str:
    """Drop what a carriage return overwrites within ``text``; what a terminal shows stays the same.

    The first segment of the text stays: the line may have begun before it. So does every segment with control
    characters other than colours, which may move the cursor.
    """
    if "\r" not in text:
        return text
    first, *lines = text.split("\n")
    head, *rest = first.split("\r")
    if rest:
        first = head + "\r" + _collapse_line(rest)
    return "\n".join([first, *(_collapse_line(line.split("\r")) if "\r" in line else line for line in lines)])


def _collapse_line(segments: list[str]) -> str:
    kept: list[str] = []
    for segment in segments:
        while kept and _covers(segment, kept[-1]):
            kept.pop()
        kept.append(segment)
    return "\r".join(kept)


def _covers(segment: str, earlier: str) -> bool:
    """Whether ``segment``, written over ``earlier``, leaves nothing of it to see."""
    colours = _COLOURS.findall(earlier)
    if colours and colours[-1] not in _RESETS:
        return False
    above, below = _COLOURS.sub("", segment), _COLOURS.sub("", earlier)
    return len(above) >= len(below) and not _MOVES.search(below) and not _MOVES.search(above)


def widen(fd: int) -> None:
    """Make the pipe as large as the system allows this user."""
    with contextlib.suppress(OSError, ImportError, AttributeError):
        import fcntl

        fcntl.fcntl(fd, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE_BYTES)
