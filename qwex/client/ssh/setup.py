"""What front ends do so that ``ssh qwex-NAME`` works from any terminal, and Jupyter lists a kernel there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex import config
from qwex.client import kernelspecs
from qwex.client.ssh import config as sshconfig
from qwex.client.ssh import doors, files, include
from qwex.errors import ConfigError, Conflict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from qwex.machines import MachineRecord

__all__ = ["check_free", "controller", "folder", "forget", "know", "learn", "write"]


def folder() -> Path:
    """The folder for ssh, by the settings as they are."""
    return files.ssh_folder(config.load().folder)


def controller() -> str:
    """The URL of the controller that the settings name; nothing for the user's own."""
    return str(config.load().url).rstrip("/")


def check_free(folder: Path, name: str) -> None:
    """See that ssh can know a machine by that name.

    Raises:
        Conflict: it knows another one by it, which is not of the present controller.
    """
    if said := doors.held(folder, name, controller()):
        raise Conflict(said)


def know(folder: Path, records: Iterable[MachineRecord], *, add: bool = True) -> str:
    """Have ssh and Jupyter know these machines of the present controller, all that the user has there.

    Without ``add`` neither their own configuration of ssh is touched nor a kernel added. What could not be done, and
    what has to be done by hand, is told in sentences: the machines are there all the same.
    """
    try:
        said = doors.keep(folder, records, controller())
        if add:
            said.append(write(folder))
        # Who has joined a machine has no kernel there.
        joined = doors.joined(folder)
        names = [name for name in doors.names(folder) if name not in joined]
    except ConfigError as error:
        return _undone(error)
    try:
        kernelspecs.keep(folder, names, add=add)
    except ConfigError as error:
        said.append(str(error))
    return " ".join(filter(None, said))


def learn(folder: Path, record: MachineRecord) -> None:
    """Have ssh know this machine of the present controller as it is now.

    Raises:
        Conflict: it knows another one by its name.
        ConfigError: the folder cannot be written.
    """
    if said := doors.put(folder, record, controller()):
        raise Conflict(said[0])


def forget(folder: Path, name: str) -> str:
    """Have ssh and Jupyter not know that machine of the present controller; what could not be done, in a sentence."""
    try:
        if not doors.held(folder, name, controller()):
            doors.forget(folder, name, controller())
            kernelspecs.forget(folder, [name])
    except ConfigError as error:
        return _undone(error)
    return ""


def write(folder: Path) -> str:
    """Have the user's ssh read what is in the folder; what has to be done by hand, as a sentence.

    Raises:
        ConfigError: the folder cannot be written.
    """
    files.identity(folder)
    sshconfig.write(folder)
    try:
        include.install(folder)
    except ConfigError as error:
        return str(error)  # where their own file cannot be changed, the rest works all the same
    return ""


def _undone(error: ConfigError) -> str:
    return f"{str(error).rstrip('.')}. ssh may not find your machines until it can be, and you ran: qwex machine list"
