"""A conversation of two processes that outlives its connections, and the sockets whose bytes it carries.

ZeroMQ loses what it sends while a connection is cut: a cell's last output, or the word that it has ended. So its
connections end at this process and at the kernel's machine, and are never cut; what goes between is counted, and kept
until the other side has it. A new connection goes on where the one before ended.

It runs in the machine, too: the standard library alone, from Python 3.8 on.
"""

from __future__ import annotations

import functools
import os
import selectors
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

__all__ = ["ACK", "CLOSE", "CREDIT", "DATA", "END", "HELLO", "OPEN", "SIGNAL", "Frame", "Link", "Loop", "Streams"]

#: What a frame says. ``number`` is a stream's, but of SIGNAL the signal, and of END the kernel's exit code.
ACK, HELLO, OPEN, DATA, CREDIT, CLOSE, SIGNAL, END = range(8)

_HEAD = struct.Struct(">BiI")
_COUNT = struct.Struct(">Q")
_CHUNK = 1 << 18
#: Bytes of a stream that may be on their way, or wait for a cut to end: beyond that its writer waits.
_WINDOW = 1 << 25
#: Frames that may come before they are acknowledged without being asked.
_UNTOLD = 64
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Frame(NamedTuple):
    """One thing that is said."""

    kind: int
    number: int
    data: bytes


class Loop:
    """Files that are waited for, and what is done when they are ready."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def watch(self, file: Any, events: int, act: Callable[[int], None]) -> None:
        """Do that whenever one of the events is there; none to watch it no more."""
        fd = file if isinstance(file, int) else file.fileno()
        known = self._selector.get_map().get(fd)
        if known is None:
            if events:
                self._selector.register(fd, events, act)
        elif not events:
            self._selector.unregister(fd)
        elif known.events != events or known.data != act:
            self._selector.modify(fd, events, act)

    def once(self, seconds: float) -> bool:
        """Wait so long at most, and do what there is to do; whether there was anything."""
        ready = self._selector.select(seconds)
        for key, events in ready:
            # An earlier one of these may have ended the watch.
            if self._selector.get_map().get(key.fd) is key:
                key.data(events)
        return bool(ready)


class Link:
    """One end of the conversation. What is said arrives once and in order, over whatever connections there are."""

    def __init__(self, loop: Loop, hear: Callable[[Frame], None], cut: Callable[[], None]) -> None:
        self._loop, self._hear, self._cut = loop, hear, cut
        #: Frames that were heard, and how many of them the other side knows of.
        self.received = self._told = 0
        #: Frames that were said: what the other side has for sure, what a connection was given, what waits for one.
        self._confirmed = 0
        self._given: deque[bytes] = deque()
        self._waiting: deque[bytes] = deque()
        self._ends: tuple[int, int] | None = None
        self._in = bytearray()
        self._out = b""

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._ends is not None

    @property
    def quiet(self) -> bool:
        """Whether the other side has all that was said."""
        return not self._given and not self._waiting

    def has_heard(self, said: int) -> bool:
        """Whether the other side has, for sure, what ``say`` gave that number."""
        return said <= self._confirmed

    @property
    def waits(self) -> bool:
        """Whether there is something to say, and nobody to say it to."""
        return bool(self._waiting) and not self.connected

    def say(self, kind: int, number: int = 0, data: bytes = b"") -> int:
        """Have the other side hear it, now or when there is a connection; how many things were said with it."""
        self._waiting.append(_HEAD.pack(kind, number, len(data)) + data)
        said = self._confirmed + len(self._given) + len(self._waiting)
        self.flush()
        return said

    def connect(self, read: int, write: int, heard: int, greeting: bytes = b"") -> None:
        """Go on over these file descriptors, from where the other side says that it has heard; first the greeting."""
        self.disconnect()
        self._confirm(heard)
        self._waiting.extendleft(reversed(self._given))
        self._given.clear()
        self._in.clear()
        self._out = greeting
        self._ends = read, write
        for fd in self._ends:
            os.set_blocking(fd, False)
        self._told = self.received
        self._loop.watch(read, _READ, self._readable)
        self.flush()

    def disconnect(self) -> None:
        """End the connection, if there is one."""
        if self._ends:
            for fd in self._ends:
                self._loop.watch(fd, 0, self._readable)
                os.close(fd)
            self._ends = None

    def acknowledge(self) -> None:
        """Tell the other side what was heard, if it does not know."""
        if self._told != self.received:
            self._told = self.received
            self._out += _HEAD.pack(ACK, 0, _COUNT.size) + _COUNT.pack(self.received)
            self.flush()

    def flush(self) -> None:
        """Write what the connection takes."""
        while self._ends and (self._out or self._waiting):
            if not self._out:
                self._out = self._next()
            try:
                self._out = self._out[os.write(self._ends[1], self._out) :]
            except BlockingIOError:
                break
            except OSError:
                self._lose()
                return
        if self._ends:
            self._loop.watch(self._ends[1], _WRITE if self._out else 0, self._writable)

    def _next(self) -> bytes:
        """Frames for one write."""
        size, taken = 0, []
        while self._waiting and size < _CHUNK:
            taken.append(self._waiting.popleft())
            size += len(taken[-1])
        self._given.extend(taken)
        return b"".join(taken)

    def _writable(self, _: int) -> None:
        self.flush()

    def _readable(self, _: int) -> None:
        assert self._ends
        try:
            data = os.read(self._ends[0], _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
            return
        self._in += data
        for frame in self._frames():
            if frame.kind == ACK:
                self._confirm(_COUNT.unpack(frame.data)[0])
            else:
                self.received += 1
                self._hear(frame)
        if self.received - self._told >= _UNTOLD:
            self.acknowledge()

    def _frames(self) -> list[Frame]:
        """The whole frames that have come."""
        found, at = [], 0
        while at + _HEAD.size <= len(self._in):
            kind, number, size = _HEAD.unpack_from(self._in, at)
            end = at + _HEAD.size + size
            if end > len(self._in):
                break
            found.append(Frame(kind, number, bytes(self._in[at + _HEAD.size : end])))
            at = end
        del self._in[:at]
        return found

    def _confirm(self, heard: int) -> None:
        while self._confirmed < heard and self._given:
            self._given.popleft()
            self._confirmed += 1

    def _lose(self) -> None:
        self.disconnect()
        self._cut()


class _Stream:
    """A socket at this end, and how much may be said of it before the other end has taken what it was told."""

    def __init__(self, connection: socket.socket, act: Callable[[int], None]) -> None:
        self.socket, self.act = connection, act
        self.out = bytearray()
        self.credit, self.taken = _WINDOW, 0
        #: The other end is closed: what is left is written, and that is all.
        self.last = False
        self.held = False


class Streams:
    """The sockets at this end of a link, by the number that both ends call them."""

    def __init__(self, loop: Loop, link: Link) -> None:
        self._loop, self._link = loop, link
        self._all: dict[int, _Stream] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def written(self) -> bool:
        """Whether all that came is with those whom it is for."""
        return not any(stream.out for stream in self._all.values())

    def add(self, number: int, connection: socket.socket) -> None:
        """Carry that socket's bytes from now on."""
        connection.setblocking(False)
        self._all[number] = _Stream(connection, functools.partial(self._ready, number))
        self._wait(number)

    def hold(self, numbers: Iterable[int], *, held: bool) -> None:
        """Read no more from these, or again."""
        for number in numbers:
            if number in self._all:
                self._all[number].held = held
                self._wait(number)

    def hear(self, frame: Frame) -> None:
        """Do what the other end says of a stream. One that is closed here may still be talked about there."""
        stream = self._all.get(frame.number)
        if stream is None:
            return
        if frame.kind == DATA:
            stream.out += frame.data
            self._write(frame.number)
        elif frame.kind == CREDIT:
            stream.credit += _COUNT.unpack(frame.data)[0]
            self._wait(frame.number)
        elif frame.kind == CLOSE:
            stream.last = True
            self._write(frame.number)

    def _ready(self, number: int, events: int) -> None:
        if events & _WRITE:
            self._write(number)
        if events & _READ and number in self._all:
            self._read(number)

    def _read(self, number: int) -> None:
        stream = self._all[number]
        try:
            data = stream.socket.recv(min(_CHUNK, stream.credit))
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            stream.credit -= len(data)
            self._link.say(DATA, number, data)
            self._wait(number)
        else:
            self._close(number)

    def _write(self, number: int) -> None:
        stream = self._all[number]
        try:
            sent = stream.socket.send(stream.out) if stream.out else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(number)
            return
        del stream.out[:sent]
        stream.taken += sent
        if stream.taken > _WINDOW // 4:
            self._link.say(CREDIT, number, _COUNT.pack(stream.taken))
            stream.taken = 0
        if stream.last and not stream.out:
            self._drop(number)
        else:
            self._wait(number)

    def _wait(self, number: int) -> None:
        stream = self._all[number]
        reads = stream.credit and not stream.last and not stream.held
        events = (_READ if reads else 0) | (_WRITE if stream.out else 0)
        self._loop.watch(stream.socket, events, stream.act)

    def _close(self, number: int) -> None:
        self._link.say(CLOSE, number)
        self._drop(number)

    def _drop(self, number: int) -> None:
        stream = self._all.pop(number)
        self._loop.watch(stream.socket, 0, stream.act)
        stream.socket.close()
