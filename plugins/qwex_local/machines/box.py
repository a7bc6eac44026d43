"""A machine's folder: its home, what its holder and its ssh server read, and what was last asked of it.

========================  ===========================================================================
``owner``                 whose it is; stays with the home
``home/``                 the home
``asked.json``            the last thing that was asked for (``Asked``); without it, what the queue has of it tells
``holder.json``           what the holder goes by
``limits.json``           before what its shells are told; may change while it runs
``ready.json``            ``{"run": …}``: the holder takes connections in that run
``activity.json``         what goes on, as the holder says
``stop``                  why it stops, in words, for its terminals
``ssh``, ``shell``        the holder's sockets
========================  ===========================================================================
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from qwex.machines import Activity
from qwex_local.door import SHELL, SSH
from qwex_local.machines import limits, sshd
from qwex_local.machines.request import run_id

if TYPE_CHECKING:
    from pathlib import Path

    from qwex_local.machines.request import LocalMachineRequest

__all__ = ["Asked", "Box", "Damaged"]

_ASKED, _OWNER, _HOME = "asked.json", "owner", "home"
_HOLDER, _READY, _ACTIVITY, _STOP = "holder.json", "ready.json", "activity.json", "stop"
#: What goes with the machine; its home and whose that is stay.
_PARTS = (
    _HOLDER, _READY, _ACTIVITY, _STOP, SSH, SHELL,
    limits.FILE, sshd.CONFIG, sshd.HOST_KEY, sshd.AUTHORIZED, sshd.SESSION, sshd.LOG,
)  # fmt: skip
#: What has to do with this process, not with the file that it cannot read.
_BUSY = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_ANEW = "Stop and start the machine: it is made anew, with its home"


class Damaged(Exception):
    """A file of a machine's cannot be read, or does not say what it should; in words, with what to do."""


@dataclass(frozen=True)
class Asked:
    """What was last asked of the machine."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    #: Its entry in the queue. One of its own for each machine that was ever made: what is heard late is not mistaken.
    entry: str
    #: Counts its starts, from 1; the attempt of its entry.
    run: int
    shape: str
    #: Whether it is to run.
    up: bool
    #: Whether it has an ssh server.
    ssh: bool


_ASKED_KIND, _ACTIVITY_KIND = TypeAdapter(Asked), TypeAdapter(Activity)


class Box:
    """The folder of one machine. Its files are whole at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / _HOME

    def owner(self) -> str | None:
        """Whose the machine, or the home of a former one, is; None for nobody's.

        Raises:
            Damaged: that is not known.
        """
        text = self._text(_OWNER, "Write into it whose the home is")
        return None if text is None else text.strip()

    def asked(self) -> Asked | None:
        """What was last asked of it; None where there is no machine.

        Raises:
            Damaged: that is not known; another version of qwex may have written it.
        """
        text = self._text(_ASKED)
        try:
            asked = None if text is None else _ASKED_KIND.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            raise self._damaged(_ASKED, ": ".join((*map(str, first["loc"]), first["msg"]))) from None
        if asked and not asked.entry.startswith(f"{run_id(self.folder.name)}."):
            raise self._damaged(_ASKED, f"entry: {asked.entry!r} is not this machine's")
        return asked

    def loss(self) -> str:
        """In words that nothing is there of what was asked of it, and what becomes of that."""
        return f"{self.folder / _ASKED} is lost. {_ANEW}"

    def listens(self) -> bool:
        """Whether its holder has made a socket for an ssh server."""
        return (self.folder / SSH).is_socket()

    def ask(self, asked: Asked) -> None:
        """Remember it.

        Raises:
            OSError: it cannot be written.
        """
        self._write(_ASKED, json.dumps(asdict(asked)))

    def prepare(self, request: LocalMachineRequest, sshd_path: str) -> None:
        """Make what a start needs.

        Raises:
            OSError: it cannot be made.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self._write(_OWNER, request.user)
        for name in (_READY, _ACTIVITY, _STOP):
            self._remove(name)
        self._write(sshd.HOST_KEY, request.host_key.read_text())
        self._write(sshd.CONFIG, sshd.config(self.folder, sshd.account()))
        self.update(request)
        self._write(_HOLDER, json.dumps({**request.holder, "sshd": sshd_path}))

    def update(self, request: LocalMachineRequest) -> None:
        """The ssh server takes its keys from the next connection on, and the holder goes by its limits.

        Raises:
            OSError: they cannot be written.
        """
        self._write(sshd.AUTHORIZED, "".join(f"{key}\n" for key in request.keys))
        self._write(limits.FILE, json.dumps(request.limits))

    def say_stop(self, reason: str) -> None:
        """Have the holder tell its terminals why it ends."""
        with contextlib.suppress(OSError):  # on a full disk it ends all the same
            self._write(_STOP, reason)

    def is_ready(self, run: int) -> bool:
        """Whether the holder takes connections in that run.

        Raises:
            Damaged: that is not known.
        """
        said = self._json(_READY)
        if said and not isinstance(said.get("run"), int):
            raise self._damaged(_READY, "run: not a number")
        return said.get("run") == run

    def activity(self, run: int) -> Activity | None:
        """What the holder last said in that run; None where that is not known: it says it again soon."""
        try:
            said = self._json(_ACTIVITY)
            of = said.pop("run", None)
            return _ACTIVITY_KIND.validate_python(said) if of == run else None
        except (Damaged, ValidationError):
            return None

    def clear(self, *, purge: bool) -> None:
        """Remove the machine, and with ``purge`` its home.

        Raises:
            OSError: something of it cannot be removed.
        """
        if self.folder.is_symlink():
            self.folder.unlink()  # whose the folder behind it is nobody here knows
            return
        # First of all: what is left after a kill is then nobody's machine.
        for name in (_ASKED, *_PARTS):
            self._remove(name)
        if purge and self.folder.exists():
            _open_up(self.folder)
            shutil.rmtree(self.folder)

    def _text(self, name: str, do: str = _ANEW) -> str | None:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError:
            raise self._damaged(name, "not UTF-8", do) from None
        except OSError as error:
            if error.errno in _BUSY:
                raise
            raise self._damaged(name, error.strerror or str(error), do) from None

    def _json(self, name: str) -> dict[str, Any]:
        """What the file says; nothing where there is none."""
        text = self._text(name)
        try:
            found = {} if text is None else json.loads(text)
        except (ValueError, RecursionError):
            raise self._damaged(name, "not JSON") from None
        if not isinstance(found, dict):
            raise self._damaged(name, "not an object of JSON")
        return found

    def _damaged(self, name: str, why: str, do: str = _ANEW) -> Damaged:
        return Damaged(f"{self.folder / name} is damaged ({why}). {do}")

    def _remove(self, name: str) -> None:
        path = self.folder / name
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            if path.is_dir() and not path.is_symlink():
                path.rmdir()  # what somebody put there is not qwex's to remove
            else:
                path.unlink()

    def _write(self, name: str, text: str) -> None:
        path, part = self.folder / name, self.folder / f".{name}"
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
            if path.is_dir():
                self._remove(name)
            os.replace(part, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink()
            # A write that fails names no file.
            raise OSError(error.errno, error.strerror, str(path)) from error


def _open_up(folder: Path) -> None:
    """Folders in it made read-only, as a cache of modules does, can be emptied, too. No link is followed."""
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            with contextlib.suppress(OSError):
                if not os.path.islink(path := os.path.join(parent, name)):
                    os.chmod(path, 0o700)
