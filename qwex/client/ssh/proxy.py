"""What ssh starts for a connection to a machine: it opens the machine's door and carries bytes.

ssh waits for it each time, so it imports next to nothing until something is wrong. What is wrong is said in one line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from qwex.door import SSH_PORT, DoorError

if TYPE_CHECKING:
    from qwex.door import OpenDoor, Tunnel

__all__ = ["GONE", "TELLS", "connect", "explained", "kept", "main", "opener", "run"]

#: A variable of who reads what is said by a program. It is told by ``GONE`` before the sentence that what was in the
#: machine is no more: ssh passes on no exit code.
TELLS, GONE = "QWEX_PROXY_TELLS", "[gone] "

#: What ssh itself ends with when it cannot connect.
_FAILED = 255
#: Seconds to find out why a machine is not there, and where its door is when nobody knows it here yet.
_ASK_SECONDS, _LEARN_SECONDS = 5.0, 2.0
#: What is kept of a door, and what there is of each.
_KEPT = dict.fromkeys(("id", "name", "provider", "host_key", "opener", "user", "controller"), str) | {"door": dict}
_NEEDED = {"id", "name", "provider", "opener", "door"}
#: What names of machines are of.
_NAMED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def run() -> NoReturn:
    """Carry the connection that the arguments say, and end; whatever a tunnel's threads still wait for."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os._exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """The exit code for the folder and the host that ssh was told."""
    try:
        folder, host = arguments
        connect(folder, host.lower().removeprefix("qwex-"))
    except BaseException as error:
        said = str(error) if isinstance(error, DoorError) else f"{type(error).__name__}: {error}"
        told = GONE if isinstance(error, _GoneError) and TELLS in os.environ else ""
        os.write(2, f"qwex: {told}{' '.join(said.split())}\n".encode(errors="replace"))
        return _FAILED
    return 0


class _GoneError(DoorError):
    """The machine does not come back by itself, and nothing that was in it ever."""


def connect(folder: str, name: str) -> None:
    """Carry bytes between the machine and this process's input and output until one of them ends.

    Raises:
        DoorError: there is no way in; it says what to do.
    """
    known = kept(folder, name)
    news = _News(folder, name, known)
    if not known.get("door") and news.door(_LEARN_SECONDS):
        known = kept(folder, name)
    if not known:
        raise _GoneError(f"there is no machine {name} here. See them with: qwex machine list")
    opened = opener(name, known)
    try:
        _tunnel(name, known, opened, news).relay(0, 1)
    except DoorError as error:
        user = known.get("user") or ""
        record = news.record(_ASK_SECONDS) if error.absent else None
        other = f"{str(error).rstrip('.')}. It is {user}'s" if user else _see(name, str(error), "status")
        kind = _GoneError if record and str(record.state) in ("STOPPED", "FAILED") else DoorError
        raise kind(explained(name, record, user) or other) from None


def _tunnel(name: str, known: dict[str, Any], opened: OpenDoor, news: _News) -> Tunnel:
    """The way in, by the door that is kept or, where that leads nowhere, by the one the machine has now."""
    if not known["door"]:
        raise DoorError(f"nobody can reach the machine {name} yet", absent=True)
    try:
        return opened(known["door"], SSH_PORT)
    except DoorError as error:
        if not error.absent or news.door(_ASK_SECONDS) in ({}, known["door"]):
            raise
    return opener(name, kept(news.folder, name))(news.door(_ASK_SECONDS), SSH_PORT)


def kept(folder: str, name: str) -> dict[str, Any]:
    """What is kept of the machine's door; nothing where there is none, or what is there is broken."""
    if name.replace("-", "").isalnum():
        try:
            with open(f"{folder}/machines/{name}.json", encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError, RecursionError):
            return {}
        if isinstance(found, dict) and all(isinstance(found.get(key, ""), kind) for key, kind in _KEPT.items()):
            return found if found.keys() >= _NEEDED else {}
    return {}


def opener(name: str, known: dict[str, Any]) -> OpenDoor:
    """The function that opens the door of which this is kept.

    Raises:
        DoorError: it is not installed here.
    """
    module, _, function = known["opener"].partition(":")
    if not module:
        raise DoorError(_missing(name, known, "is not installed here"))
    try:
        __import__(module)
        found: OpenDoor = getattr(sys.modules[module], function)
    except (ImportError, AttributeError, ValueError) as error:
        raise DoorError(_missing(name, known, f"cannot be loaded here ({error})")) from None
    return found


def _missing(name: str, known: dict[str, Any], what: str) -> str:
    extra = known["provider"]
    return f"what reaches the machine {name} ({extra}) {what}. Install it with: pip install 'qwex[{extra}]'"


class _News:
    """What the controller says of the machine. It is asked once, and only when that is needed."""

    def __init__(self, folder: str, name: str, known: dict[str, Any]) -> None:
        self.folder = folder
        self._name = name if _NAMED.issuperset(name) else ""
        #: Somebody else's, which the controller knows by its id if at all.
        self._theirs = known.get("id") if known.get("user") else None
        #: Whose word counts of this machine; None where any's does.
        self._controller = None if self._theirs else known.get("controller")
        self._heard: list[Any] = []

    def record(self, seconds: float) -> Any:
        """Its record; None where the controller does not know it, or does not answer."""
        if not self._heard:
            name = self._theirs or self._name
            self._heard.append(_asked(self.folder, name, self._controller, seconds) if self._name else None)
        return self._heard[0]

    def door(self, seconds: float) -> dict[str, Any]:
        """The door that it has now, kept from now on; nothing where that is not known."""
        record = self.record(seconds)
        if record is None or self._theirs or not record.door:
            return {}
        from pathlib import Path

        from qwex.client.ssh import doors, setup

        controller = setup.controller() if self._controller is None else self._controller
        doors.put(Path(self.folder), record, controller)
        found: dict[str, Any] = record.door
        return found


def _asked(folder: str, name: str, controller: str | None, seconds: float) -> Any:
    def late(*_: object) -> NoReturn:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    # And again, where whoever is at it just then takes it for an error of the system's and goes on.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        os.environ["QWEX_HOME"] = os.path.dirname(folder)
        from qwex import config
        from qwex.client import Client

        settings = config.load()
        if controller not in (None, settings.url.rstrip("/")):
            # No other is given the token of the one that the settings name.
            settings = config.load(url="", token="")
        return None if controller and not settings.url else Client(settings, start=False).machine(name)
    except Exception:
        return None  # what is known without the controller is said
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def explained(name: str, record: Any, user: str = "") -> str:
    """Why a machine in this state takes no connection, and what to do; empty where its state does not say.

    ``user`` is whose it is, where it is not one's own.
    """
    state = str(record.state) if record else ""
    if state in ("STOPPED", "STOPPING"):
        do = f"Ask {user} to start it" if user else f"Start it with: qwex machine start {name}"
        return f"the machine {name} is {state.lower()}. {do}"
    if state in ("PENDING", "QUEUED", "STARTING"):
        does = "takes no ssh yet" if state == "STARTING" else "waits for its turn"
        return _see(name, f"the machine {name} {does}{': ' * bool(record.message)}{record.message}", "why")
    if state == "FAILED":
        said = record.message or record.reason or "it says no reason"
        return _see(name, f"the machine {name} failed: {said}", "status")
    return ""


def _see(name: str, said: str, command: str) -> str:
    return f"{said.rstrip('.')}. See: qwex machine {command} {name}"


if __name__ == "__main__":
    run()
