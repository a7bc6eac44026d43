"""``qwex machine share``, ``join``, ``leave`` and ``key``: a colleague on a machine, and a machine of a colleague's."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from qwex.cli import exits
from qwex.cli.command import JSON, MACHINE, Command, Flag, Given, Word
from qwex.cli.connect import client
from qwex.cli.screen import note, print_json, safe, say
from qwex.client import kernelspecs
from qwex.client.ssh import config as sshconfig
from qwex.client.ssh import doors, files, keyfiles, setup, sharing
from qwex.errors import ConfigError, InvalidSpec, NotFound
from qwex.machines import host_alias
from qwex.sshkeys import key_name

if TYPE_CHECKING:
    from qwex.client import Client
    from qwex.machines import MachineRecord

__all__ = ["COMMANDS"]


def _share(given: Given) -> int:
    connection = client()
    if given["remove"]:
        return _removed(connection.change_machine(given["name"], remove_keys=list(given["remove"])), given)
    if given["list"]:
        return _listed(connection.machine(given["name"]), given)
    return _invited(connection, given)


def _invited(connection: Client, given: Given) -> int:
    record = connection.machine(given["name"])
    invitation = sharing.invite(record)
    if given["key"]:
        line = _named(_line(given["key"]), given["person"])
        record = connection.change_machine(record.name, add_keys=[line])
        note(f"{record.name} lets in {safe(key_name(line))}: within a minute where it runs", "green")
    elif given["person"]:
        raise InvalidSpec.of("--name", "it is for the key that --key gives")
    else:
        note(f"{record.name} lets in {safe(', '.join(record.keys))}; another key with --key", "dim")
    sys.stdout.write(invitation.text())
    note("This file is for your colleague; nothing in it is secret. They need")
    note(f"  the right to {safe(invitation.needs)}")
    note("  qwex machine join FILE, then ssh " + record.host)
    return exits.OK


def _listed(record: MachineRecord, given: Given) -> int:
    if given["json"]:
        print_json({"name": record.name, "keys": record.keys})
    else:
        for each in record.keys:
            say(safe(each))
    return exits.OK


def _removed(record: MachineRecord, given: Given) -> int:
    if given["json"]:
        print_json({"name": record.name, "keys": record.keys})
    else:
        say(f"{record.name} lets in {safe(', '.join(record.keys))}; who is logged in stays until they log out")
    return exits.OK


def _join(given: Given) -> int:
    folder = setup.folder()
    invitation = sharing.read(_text(given["file"]))
    machine = invitation.machine
    name = given["name"] or machine.name
    if not sharing.NAME.fullmatch(name):
        raise InvalidSpec.of(
            "--as", f"{name!r}: small letters, digits and '-', a letter first, at most 30, such as train"
        )
    key = sshconfig.usable(keyfiles.shown(keyfiles.named(given["key"]))) if given["key"] else None
    sharing.accept(folder, invitation, name)
    if key:
        sshconfig.use_key(folder, name, key)
    if said := setup.write(folder):
        note(said, "yellow")
    if given["json"]:
        print_json({"name": name, "user": machine.user, "host": host_alias(name), "needs": invitation.needs})
        return exits.OK
    say(f"ssh {host_alias(name)}  is {safe(machine.user)}'s machine {machine.name}")
    say(f"  needs  the right to {safe(invitation.needs)}")
    if not given["key"]:
        say("  key    it has to let yours in. Send it to them: qwex machine key")
    say(f"  leave  qwex machine leave {name}")
    return exits.OK


def _leave(given: Given) -> int:
    folder, name = setup.folder(), given["name"]
    if name not in doors.joined(folder) and name not in doors.elsewhere(folder, setup.controller()):
        raise NotFound(f"you joined no machine {safe(name)!r}. Your own is deleted with: qwex machine delete NAME")
    doors.leave(folder, name)
    kernelspecs.forget(folder, [name])
    if given["json"]:
        print_json({"name": name})
    else:
        say(f"ssh does not know {host_alias(name)} any more; the machine itself is as it was")
    return exits.OK


def _key(given: Given) -> int:
    file = files.identity(setup.folder())
    if given["file"]:
        say(str(file))
        return exits.OK
    line = files.public_key(setup.folder())
    if given["json"]:
        print_json({"key": line, "file": str(file)})
    else:
        say(line)
    return exits.OK


def _line(key: str) -> str:
    """The public key itself, or the one in a file.

    Raises:
        ConfigError: the file has none.
    """
    if " " in key.strip() and not os.path.exists(keyfiles.named(key)):
        return key.strip()
    return keyfiles.public_half(keyfiles.named(key))


def _named(line: str, name: str | None) -> str:
    """The key with that name as its comment."""
    return " ".join([*line.split(" ", 2)[:2], name]) if name else line


def _text(file: str) -> str:
    """What is in the file; ``-`` is the standard input."""
    try:
        return sys.stdin.read() if file == "-" else keyfiles.named(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None


COMMANDS = {
    "share": Command(
        "let a colleague in, and print the file that they join with",
        _share,
        (MACHINE,),
        (
            Flag("key", "--key", "their public key, or the file that has it", "", str, metavar="KEY"),
            Flag("person", "--name", "what to call that key (default its comment)", "", str, metavar="WHO"),
            Flag("list", "--list", "only say whom it lets in"),
            Flag("remove", "--remove", "keep a key out: its name or fingerprint", "", str, many=True, metavar="WHO"),
            JSON,
        ),
        examples=(
            "qwex machine share train --key bob.pub > train.json",
            "qwex machine share train --list",
            "qwex machine share train --remove bob@laptop",
        ),
    ),
    "join": Command(
        "have ssh know a colleague's machine",
        _join,
        (Word("file", "FILE", "what qwex machine share printed; - is the standard input"),),
        (
            Flag("name", "--as", "what to call it here", "", str, metavar="NAME"),
            Flag("key", "--key", "the key of yours that it lets in, if it is not qwex's", "", str, metavar="FILE"),
            JSON,
        ),
        examples=("qwex machine join train.json", "ssh qwex-train"),
    ),
    "leave": Command(
        "have ssh forget a colleague's machine, or one of another controller",
        _leave,
        (Word("name", "NAME", "what it is called here", complete="machine"),),
        (JSON,),
    ),
    "key": Command(
        "print your public key, for a colleague who shares a machine",
        _key,
        (),
        (Flag("file", "--file", "print the name of the file with its private half"), JSON),
    ),
}
