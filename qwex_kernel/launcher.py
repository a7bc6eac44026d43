"""The process that Jupyter starts for a kernel in a machine, and takes for the kernel.

It listens where Jupyter expects the kernel, and ends when the kernel has ended, with its exit code. A signal to it is
one to the kernel; SIGTERM ends both. While the way to the machine is cut, what is said on both sides is kept. An idle
kernel needs no way: it is let go, so that the machine counts as unused, until somebody here has something to say.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from selectors import EVENT_READ
from typing import TYPE_CHECKING, Any, NoReturn

from qwex_kernel.guard import Guard
from qwex_kernel.link import END, HELLO, OPEN, SIGNAL, Frame, Link, Loop, Streams
from qwex_kernel.rest import Rest
from qwex_kernel.ways import NoWay, Target, open_way

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qwex_kernel.ways import Way

__all__ = ["SAYS", "Launcher", "main", "run"]

#: The variable with the file descriptor of who wants to know how the start went: nothing, or a sentence.
SAYS = "QWEX_KERNEL_SAYS"
_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
_PASSED_ON = (signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_ENDING = (signal.SIGTERM, signal.SIGHUP)
#: Seconds for the kernel to end when it is told, and for its last words to be taken.
_END, _LAST = 4.0, 1.0
#: Seconds before the way is tried again: first and longest.
_AGAIN, _LONGEST = 0.1, 15.0


def run() -> NoReturn:
    """Be the kernel that the arguments say, and end as it does; whatever a thread still waits for."""
    os._exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """The exit code of the kernel; 1 where there is none."""
    given = _given(arguments)
    target = Target(given.folder, given.machine, given.python)
    says = int(os.environ.pop(SAYS, "-1"))
    guard = Guard(target)
    said = b""
    try:
        connection = json.loads(given.connection_file.read_bytes())
        launcher = Launcher(target, connection, guard)
        launcher.start()
    except (NoWay, OSError, ValueError) as error:
        said = str(error).encode()
        os.write(2, b"qwex: " + said + b"\n")
        guard.dismiss()
        return 1
    finally:
        if says >= 0:
            os.write(says, said)
            os.close(says)
    return launcher.run()


def _given(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="qwex_kernel", description="A kernel in a dev machine.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("machine")
    parser.add_argument("python")
    parser.add_argument("connection_file", type=Path)
    # Front ends may add arguments that are for ipykernel.
    return parser.parse_known_args(arguments)[0]


class Launcher:
    """One kernel: where Jupyter finds it, and the way to where it is."""

    def __init__(self, target: Target, connection: dict[str, Any], guard: Guard) -> None:
        self._target, self._connection, self._guard = target, connection, guard
        self._loop = Loop()
        self._link = Link(self._loop, self._hear, self._cut)
        self._streams = Streams(self._loop, self._link)
        self._listeners = [_listener(connection, port) for port in _PORTS]
        #: The streams so far, each with what it is to the kernel.
        self._ports: dict[int, str] = {}
        self._accepts: dict[str, Callable[[int], None]] = {}
        self._rest, self._resting = Rest(), False
        self._way: Way | None = None
        #: What a thread that looks for a way found, and a byte when it did; signals come the same way.
        self._found: Way | NoWay | None = None
        self._woken, self._wake = socket.socketpair()
        self._again_at, self._pause, self._looking = 0.0, _AGAIN, False
        self._ending_at: float | None = None
        self._code: int | None = None
        self._given_up = False
        self._parent = os.getppid()

    def start(self) -> None:
        """Have the kernel run.

        Raises:
            NoWay: it cannot.
        """
        key = {name: self._connection[name] for name in ("key", "signature_scheme")}
        self._take(open_way(self._target, {"connection": key}))

        self._listen()

    def _listen(self) -> None:
        """Hear signals from now on, and who comes for the kernel."""
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno())
        for number in (*_PASSED_ON, *_ENDING):
            signal.signal(number, lambda *_: None)
        self._loop.watch(self._woken, EVENT_READ, self._waken)
        for listener, port in zip(self._listeners, _PORTS, strict=True):
            self._accepts[port] = self._accepting(listener, port)
            self._loop.watch(listener, EVENT_READ, self._accepts[port])

    def run(self) -> int:
        """Until the kernel has ended: its exit code, as a shell has it."""
        while self._code is None:
            if not self._loop.once(self._patience()):
                self._link.acknowledge()
            self._look()
        self._finish()
        return self._code if self._code >= 0 else 128 - self._code

    def _patience(self) -> float:
        """Seconds until there is something to do by the clock."""
        if self._way or self._looking or self._resting:
            return 1.0
        return min(max(self._again_at - time.monotonic(), 0.0), 1.0)

    def _accepting(self, listener: socket.socket, port: str) -> Callable[[int], None]:
        def accept(_: int) -> None:
            connection, _address = listener.accept()
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = len(self._ports) + 1
            self._ports[number] = port
            self._link.say(OPEN, number, port.encode())
            self._streams.add(number, connection)

        return accept

    def _hear(self, frame: Frame) -> None:
        if frame.kind == END:
            self._code = frame.number
            self._link.acknowledge()
            return
        self._streams.hear(frame)
        port = self._ports.get(frame.number)
        if port != "hb_port":
            self._rest.hear(frame.data, published=port == "iopub_port")

    def _waken(self, _: int) -> None:
        for number in self._woken.recv(1 << 10):
            if number in _PASSED_ON:
                self._link.say(SIGNAL, number)
            elif number in _ENDING:
                self._end()

    def _end(self) -> None:
        if self._ending_at is None:
            self._ending_at = time.monotonic()
            self._link.say(END)

    def _look(self) -> None:
        """What is due by the clock, or was found."""
        now = time.monotonic()
        found, self._found = self._found, None
        if found:
            self._looking = False
            self._judge(found)
        if self._way and self._rest.is_due:
            self._let_go(self._way)
        if self._link.waits:
            self._resting = False
        if not (self._way or self._looking or self._resting) and self._code is None and now >= self._again_at:
            self._looking = True
            threading.Thread(target=self._find, daemon=True).start()
        # As ipykernel does: a kernel is of no use to nobody.
        if "JPY_PARENT_PID" in os.environ and os.getppid() != self._parent:
            self._end()
        if self._ending_at and now - self._ending_at > _END:
            self._code, self._given_up = -signal.SIGTERM, True

    def _let_go(self, way: Way) -> None:
        """Do without a way until there is something to say. A heartbeat is nothing."""
        self._way, self._resting = None, True
        self._hear_hearts(False)
        self._link.acknowledge()
        self._link.disconnect()
        way.close(_LAST)

    def _hear_hearts(self, heard: bool) -> None:
        listener = self._listeners[_PORTS.index("hb_port")]
        self._loop.watch(listener, EVENT_READ if heard else 0, self._accepts["hb_port"])
        self._streams.hold([number for number, port in self._ports.items() if port == "hb_port"], held=not heard)

    def _find(self) -> None:
        """Look for a way, in a thread of its own."""
        try:
            self._found = open_way(self._target, {"folder": self._folder, "received": self._link.received})
        except NoWay as error:
            self._found = error
        except Exception as error:
            self._found = NoWay(f"{type(error).__name__}: {error}")
        self._wake.send(b"\0")

    def _judge(self, found: Way | NoWay) -> None:
        if not isinstance(found, NoWay):
            if self._was_cut:
                self._tell(f"there is a way to the machine {self._target.name} again")
            self._take(found)
        elif found.final:
            self._tell(str(found))
            self._code = 1
        else:
            self._again_at = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _LONGEST)

    def _take(self, way: Way) -> None:
        """Go on over this way."""
        self._way = way
        self._folder: str = way.answer["folder"]
        self._guard.know(self._folder)
        self._pause, self._was_cut = _AGAIN, False
        self._rest.hear(b"", published=False)
        self._link.connect(*way.ends, way.answer["received"])
        self._link.say(HELLO)
        if self._accepts:
            self._hear_hearts(True)

    def _cut(self) -> None:
        way, self._way = self._way, None
        if way:
            way.close()
        self._again_at, self._was_cut = 0.0, True
        name = self._target.name
        self._tell(f"the way to the machine {name} was cut. The kernel goes on there; looking for a way")

    def _tell(self, said: str) -> None:
        os.write(2, f"qwex: {said}\n".encode())

    def _finish(self) -> None:
        """Give what is left to those whom it is for, and leave nothing behind."""
        latest = time.monotonic() + _LAST
        while not self._streams.written and time.monotonic() < latest:
            self._loop.once(0.05)
        if self._way:
            self._link.disconnect()
        # Where it is not certain that the other side knows, the guard sees to it.
        if self._way and self._way.close(_END) and not self._given_up:
            self._guard.dismiss()


def _listener(connection: dict[str, Any], port: str) -> socket.socket:
    """Where Jupyter looks for that socket of the kernel's."""
    ip, number = connection["ip"], connection[port]
    if connection["transport"] == "ipc":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{ip}-{number}")
        listener.listen()
        return listener
    return socket.create_server((ip, number), backlog=100)
