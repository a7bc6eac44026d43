"""``qwex machine code``: an editor that works in a machine over ssh."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from qwex.cli import exits
from qwex.cli.command import JSON, MACHINE, Command, Flag, Given, Word
from qwex.cli.connect import client
from qwex.cli.screen import note, print_json, say
from qwex.client.ssh import doors, proxy, setup
from qwex.errors import Conflict, InvalidSpec, nearest
from qwex.machines import MachineState, host_alias
from qwex.machinewords import EDITORS, USUAL_EDITORS, editor_links

if TYPE_CHECKING:
    from qwex.machines import MachineRecord

__all__ = ["COMMAND"]


def _code(given: Given) -> int:
    asked = given["editor"]
    if asked and asked not in EDITORS:
        raise InvalidSpec.of(
            "--editor", f"no editor {asked!r}.{nearest(asked, list(EDITORS))} One of: {', '.join(EDITORS)}"
        )
    host, path = _place(given["name"], given["path"])
    names = (asked,) if asked else tuple(EDITORS)
    program = None if given["print"] or given["json"] else next(filter(None, map(shutil.which, names)), None)
    if program is None:
        return _print(host, path, asked, given)
    return subprocess.run([program, "--remote", f"ssh-remote+{host}", path]).returncode


def _place(name: str, path: str | None) -> tuple[str, str]:
    """What ssh calls the machine, and the folder in it.

    Raises:
        Conflict: it does not run; the message says what to do.
    """
    folder = setup.folder()
    if name in doors.joined(folder):
        return host_alias(name), _absolute(path, proxy.kept(str(folder), name)["door"].get("home") or "")
    connection = client()
    record = connection.machine(name)
    _check(record)
    if said := setup.know(folder, connection.machines("me")):
        note(said, "yellow")
    setup.learn(folder, record)
    return record.host, _absolute(path, record.door.get("home") or "")


def _check(record: MachineRecord) -> None:
    if record.state is not MachineState.RUNNING:
        raise Conflict(proxy.explained(record.name, record) or f"the machine {record.name} is {record.state}")


def _absolute(path: str | None, home: str) -> str:
    """Editors take only whole paths; others are from the home."""
    path = path or home or "/"
    # What begins with a dash would be an option of the editor's.
    return path if path.startswith("/") else "/" + f"{home}/{path.removeprefix('~/')}".lstrip("/")


def _print(host: str, path: str, asked: str | None, given: Given) -> int:
    program = asked or USUAL_EDITORS[0]
    found = editor_links(host, path)
    if given["json"]:
        print_json({"host": host, "path": path, "links": found})
        return exits.OK
    if not given["print"]:
        tried = EDITORS[asked].title if asked else "no editor that qwex knows"
        missing = f"{tried} is not" if asked else tried + " is"
        note(f"{missing} in PATH here. Where it is, open a link below, or say there", "dim")
    say(f"{program} --remote ssh-remote+{host} {path}")
    for name in (asked,) if asked else USUAL_EDITORS:
        say(f"  {EDITORS[name].title:<8} {found[name]}")
    return exits.OK


COMMAND = Command(
    "open an editor in a machine: VS Code, Cursor or one of their kind",
    _code,
    (
        MACHINE,
        Word("path", "PATH", "folder in it (default its home)", required=False),
    ),
    (
        Flag("editor", "--editor", f"{', '.join(EDITORS)} (default the first here)", "-e", str, metavar="EDITOR"),
        Flag("print", "--print", "only print the command and the links"),
        JSON,
    ),
    examples=("qwex machine code train", "qwex machine code train project --editor cursor"),
)
