"""The way into a dev machine from a client, as light as a process that ssh starts for every connection has to be.

A provider's ``door`` tells a client what it needs, as data; the function behind the entry point of the group
``qwex.doors`` with the provider's name opens a connection with it. That function's module imports the standard library
alone: ``ssh`` waits for it each time. It is found once, when the machine is made, and its name is kept with the door.

A provider whose machines other people can reach has a second function beside it, ``shared`` (see ``ShareDoor``).

Three things in a door are everybody's: ``user``, whom to log in as where that is not ``dev``; ``home``, where that is;
and ``ssh``, false where the machine has no ssh server. It has plain shells instead, by the function behind the entry
point of the group ``qwex.shells`` with the provider's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

__all__ = ["SSH_PORT", "DoorError", "OpenDoor", "OpenShell", "ShareDoor", "Tunnel"]

#: Where machines have their ssh server, on their own loopback.
SSH_PORT = 2222


class DoorError(Exception):
    """No way in: a sentence that says why.

    ``absent`` where the machine itself is not there, or does not run; ``nobody_listens`` where it is there, and
    refuses the connection to that port.
    """

    def __init__(self, message: str, *, absent: bool = False, nobody_listens: bool = False) -> None:
        super().__init__(message)
        self.absent = absent
        self.nobody_listens = nobody_listens


class Tunnel(Protocol):
    """A connection to a port in a machine: bytes each way."""

    def relay(self, read: int, write: int) -> None:
        """Carry bytes from the file descriptor ``read`` into the machine and from there to ``write``, until one ends.

        Returns when the machine's side has closed, or ``read`` has ended and what was read is sent and answered.

        Raises:
            DoorError: the connection was cut.
        """


#: ``open(door, port)``; raises ``DoorError``.
OpenDoor: TypeAlias = "Callable[[Mapping[str, Any], int], Tunnel]"

#: ``shared(door)``: the door as another person needs it, with nothing in it that holds on this machine alone, and the
#: right that they need, in words. It is called where a door is given away, and again where one is taken: there it has
#: to hold against whatever somebody has written. Raises ``DoorError``.
ShareDoor: TypeAlias = "Callable[[Mapping[str, Any]], tuple[dict[str, Any], str]]"

#: ``shell(door, words)``: log in, or run the command; its exit code. Raises ``DoorError``.
OpenShell: TypeAlias = "Callable[[Mapping[str, Any], Sequence[str]], int]"
