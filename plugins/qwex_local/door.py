"""The way into a machine on this computer: the socket of the process that holds it, which gives each its own sshd.

``ssh`` waits for this each time, so it imports the standard library alone.
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qwex.door import SSH_PORT, DoorError
from qwex.relay import SocketTunnel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["INSTALL", "SHELL", "SSH", "connect", "reach"]

#: The sockets in a machine's folder: a connection to the one is an ssh server's, to the other a plain shell's.
SSH, SHELL = "ssh", "shell"
#: What to do where there is no ssh server.
INSTALL = "Install OpenSSH's server (Debian, Ubuntu: apt install openssh-server; Fedora: dnf install openssh-server)"
#: Bytes that the path of a Unix socket may have everywhere.
_LONGEST = 100


def connect(door: Mapping[str, Any], port: int) -> SocketTunnel:
    """Open a connection to ``port`` in the machine.

    Raises:
        DoorError: it does not run, has no ssh server, or nobody listens on that port.
    """
    if port != SSH_PORT:
        # A port of this computer may answer also while the machine does not run: that is not the machine's.
        reach(door["folder"], SHELL).close()
        try:
            return SocketTunnel(socket.create_connection(("127.0.0.1", port)))
        except OSError as error:
            said = f"nobody listens on port {port} of this computer ({error.strerror or error})"
            raise DoorError(said, nobody_listens=isinstance(error, ConnectionRefusedError)) from None
    if not door["ssh"]:
        raise DoorError(f"this computer has no ssh server that can be used. {INSTALL}, and start the machine again")
    return SocketTunnel(reach(door["folder"], SSH))


def reach(folder: str, name: str) -> socket.socket:
    """A connection to that socket of the machine's.

    Raises:
        DoorError: it does not run.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        with _short(folder) as short:
            connection.connect(f"{short}/{name}")
    except OSError as error:
        connection.close()
        raise DoorError(f"the machine does not run ({error.strerror or error})", absent=True) from None
    return connection


@contextmanager
def _short(folder: str) -> Iterator[str]:
    """A path of the folder that is short enough for the address of a Unix socket, for as long as it is needed."""
    if len(os.fsencode(folder)) < _LONGEST:
        yield folder
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)
