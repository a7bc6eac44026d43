"""A process that ends the kernel in the machine where the one here was killed before it could."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from qwex_kernel.ways import NoWay, open_way

if TYPE_CHECKING:
    from qwex_kernel.ways import Target

__all__ = ["Guard"]

_DISMISSED = b"\0"
#: Seconds before each time that it tries to; the keeper itself gives up in the end.
_TRIES = (0, 1, 2, 5, 10, 30)


class Guard:
    """Knows the kernel of this process. Made before there is a thread, or a socket that has to be closed in time."""

    def __init__(self, target: Target) -> None:
        read, self._write = os.pipe()
        if os.fork() == 0:
            try:
                _stand(target, read)
            finally:
                os._exit(0)
        os.close(read)

    def know(self, folder: str) -> None:
        """The kernel is in this folder of the machine."""
        os.write(self._write, os.fsencode(folder) + b"\n")

    def dismiss(self) -> None:
        """The kernel has ended, or there was none."""
        os.write(self._write, _DISMISSED)
        os.close(self._write)


def _stand(target: Target, read: int) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(nothing, fd)
    # Who was given these waits for their end.
    os.closerange(3, read)
    os.closerange(read + 1, read + 256)
    with open(read, "rb") as pipe:
        said = pipe.read()
    folders = said.decode().splitlines()
    if folders and _DISMISSED not in said:
        _end(target, folders[-1])


def _end(target: Target, folder: str) -> None:
    for pause in _TRIES:
        time.sleep(pause)
        try:
            way = open_way(target, {"folder": folder, "end": True})
        except NoWay as error:
            if error.final:
                return
        else:
            assert way.process.stdout
            way.process.stdout.read()
            way.close()
            return
