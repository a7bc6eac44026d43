"""``qwex machine``: a box with ssh and a home that stays, from the queue of the jobs."""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import suppress
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, NoReturn

from qwex.cli import exits, gpus, machinecode, machinekernel, machineports, machineshare, machineshow
from qwex.cli.command import JSON, MACHINE, Command, Flag, Given, Group, Word
from qwex.cli.connect import client
from qwex.cli.screen import note, print_json, safe, say
from qwex.client import kernelspecs
from qwex.client.machinefields import CREATE, DETACH, LIMITS, PURGE, SIZE, changes, check_unused, limits, spec_of
from qwex.client.ssh import config as sshconfig
from qwex.client.ssh import doors, files, include, keyfiles, passwords, setup
from qwex.client.ssh.proxy import explained
from qwex.door import DoorError
from qwex.errors import ConfigError, Conflict
from qwex.machines import MachineState, host_alias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from qwex.client import Client
    from qwex.client.machinefields import MachineFlag
    from qwex.door import OpenShell
    from qwex.machines import MachineRecord

__all__ = ["COMMAND"]

_NEW = Word("name", "NAME", "what to call it")


def _create(given: Given) -> int:
    connection, folder = client(), setup.folder()
    key = keyfiles.named(given["key"]) if given["key"] else None
    spec = spec_of(given, [files.public_key(folder), *([keyfiles.public_half(key)] if key else [])])
    password, spec["password"] = passwords.made() if given["password"] else ("", "")
    if given["dry_run"]:
        why, rendered = connection.preflight_machine(spec)
        say(rendered.rstrip())
        note(f"would not run: {why.summary}" if why else "nothing was made")
        return exits.FAILED if why else exits.OK
    # What would be in the way of ssh is said while nothing is made yet.
    own = sshconfig.usable(keyfiles.shown(key)) if key else None
    setup.check_free(folder, given["name"])
    record = connection.create_machine(spec)
    if password:
        note(f"its password, shown this once: {password}")
    _know(connection, folder)
    _use_key(folder, record.name, own)
    if given["quiet"]:
        say(record.id)
        return exits.OK
    return _follow(connection, record, given)


def _use_key(folder: Path, name: str, key: Path | None) -> None:
    try:
        sshconfig.use_key(folder, name, key)
    except ConfigError as error:
        if key:  # what is wrong with the folder is said already
            note(f"{error}. Show it yourself: ssh -i {shlex.quote(str(key))} {host_alias(name)}", "yellow")


def _list(given: Given) -> int:
    connection = client()
    folder = setup.folder()
    found = connection.machines(None if given["all"] else "me")
    # Not into the user's own file: who has taken qwex's line out does not want it back for a look.
    if said := setup.know(folder, connection.machines("me"), add=False):
        note(safe(said), "yellow")
    joined, elsewhere = doors.joined(folder), doors.elsewhere(folder, setup.controller())
    if given["json"]:
        theirs = [{"name": name, "user": user} for name, user in joined.items()]
        others = [{"name": name, "controller": url} for name, url in elsewhere.items()]
        print_json({"machines": [record.as_dict() for record in found], "joined": theirs, "elsewhere": others})
    else:
        machineshow.table(found, everybodys=given["all"])
        for name, user in joined.items():
            note(safe(f"joined: ssh {host_alias(name)}, {user}'s. Away with: qwex machine leave {name}"), "dim")
        for name, url in elsewhere.items():
            place = doors.place_of(url)
            note(safe(f"elsewhere: ssh {host_alias(name)}, of {place}. Away with: qwex machine leave {name}"), "dim")
    return exits.OK


def _status(given: Given) -> int:
    return _shown(client().machine(given["name"]), given)


def _shown(record: MachineRecord, given: Given) -> int:
    if given["json"]:
        print_json(record.as_dict())
    else:
        machineshow.details(record)
    return exits.OK


def _start(given: Given) -> int:
    connection = client()
    if asked := changes(given):
        check_unused(connection.machine(given["name"]))
    record = connection.start_machine(given["name"], **asked)
    _know(connection, setup.folder())
    return _follow(connection, record, given)


def _stop(given: Given) -> int:
    connection = client()
    before = connection.machine(given["name"])
    record = connection.stop_machine(given["name"])
    if given["json"]:
        print_json(record.as_dict())
    elif before.state is MachineState.STOPPED:
        say(f"{record.name} is stopped already")
    else:
        say(f"{record.name} is being stopped; its home is kept. Again: qwex machine start {record.name}")
    return exits.OK


def _delete(given: Given) -> int:
    connection = client()
    record = connection.delete_machine(given["name"], given["purge"])
    if said := setup.forget(setup.folder(), record.name):
        note(said, "yellow")
    if given["json"]:
        print_json(record.as_dict())
    elif given["purge"]:
        say(f"{record.name} is being deleted, with its home and all that is in it")
    else:
        say(f"{record.name} is being deleted; its home is kept, and a machine of that name gets it")
    return exits.OK


def _why(given: Given) -> int:
    connection = client()
    record, why = connection.machine(given["name"]), connection.machine_why(given["name"])
    if given["json"]:
        print_json({"id": record.id, "state": record.state, **why.as_dict()})
    else:
        machineshow.why(record, why)
    return exits.OK


def _events(given: Given) -> int:
    found = client().machine_events(given["name"])
    if given["json"]:
        print_json({"events": [vars(event) for event in found]})
    else:
        machineshow.events(found)
    return exits.OK


def _ssh(given: Given) -> int:
    host = host_alias(given["name"])
    if given["name"] not in doors.joined(setup.folder()):
        record = client().machine(given["name"])
        if not record.door.get("ssh", True):
            return _plain_shell(record, given["rest"])
        setup.learn(setup.folder(), record)
        host = record.host
    return _become_ssh(host, given["rest"])


def _become_ssh(host: str, words: Sequence[str]) -> NoReturn:
    folder = setup.folder()
    files.identity(folder)
    file = sshconfig.write(folder)
    if (program := shutil.which("ssh")) is None:
        raise ConfigError("there is no program ssh; install OpenSSH's client (Debian: apt install openssh-client)")
    os.execv(program, [program, "-F", str(file), host, *words])  # noqa: S606


def _plain_shell(record: MachineRecord, words: Sequence[str]) -> int:
    """A shell in a machine without an ssh server, by what its provider has for that."""
    if words and words[0].startswith("-"):
        raise ConfigError(f"{words[0]} is an option of ssh, and {record.name} has no ssh server")
    found = next(iter(entry_points(group="qwex.shells", name=record.provider)), None)
    if found is None:
        raise ConfigError(f"{record.name} has no ssh server, and nothing here opens a shell in it")
    shell: OpenShell = found.load()
    try:
        return shell(record.door, words)
    except DoorError as error:
        raise ConfigError(explained(record.name, record) or str(error)) from None


def _set(given: Given) -> int:
    return _shown(client().change_machine(given["name"], **limits(given)), given)


def _uninstall(given: Given) -> int:
    change = include.uninstall(setup.folder(), dry_run=given["dry_run"])
    done = "would take" if given["dry_run"] else "took"
    said = f"{done} this line out of {change.file}: {change.line}"
    say(said if change.changed else f"{change.file} has no line of qwex's")
    for file in kernelspecs.uninstall(setup.folder(), dry_run=given["dry_run"]):
        say(f"{'would remove' if given['dry_run'] else 'removed'} {file}")
    return exits.OK


def _follow(connection: Client, record: MachineRecord, given: Given) -> int:
    """Tell how it comes up, unless nobody wants to know."""
    if given["json"]:
        print_json(record.as_dict())
        return exits.OK
    if not given["detach"]:
        record = machineshow.until_up(connection, record)
        with suppress(ConfigError, Conflict):  # it is said already
            setup.learn(setup.folder(), record)
    return machineshow.way_in(record)


def _know(connection: Client, folder: Path) -> None:
    """Have ssh and Jupyter know the user's machines."""
    if said := setup.know(folder, connection.machines("me")):
        note(safe(said), "yellow")


def _flags(*asked: MachineFlag) -> tuple[Flag, ...]:
    return tuple(Flag(**each._asdict()) for each in asked)


def _looked_after(command: Command) -> Command:
    """The command; of a machine that it cannot be about, it says whose that is."""

    def run(given: Given) -> int:
        with doors.looked_after(setup.folder(), given["name"]):
            return command.run(given)

    return command._replace(run=run) if MACHINE in command.words else command


_GROUP = Group(
    "dev machines: a box with ssh and a home that stays",
    {
        "create": Command(
            "make a machine, and wait until it takes ssh",
            _create,
            (_NEW,),
            (
                *_flags(*CREATE),
                Flag("key", "--key", "a key of your own that it lets in, too", "", str, metavar="FILE"),
                Flag("password", "--password", "let a password in, too; it is made and shown once"),
                Flag("quiet", "--quiet", "print its id alone, and do not wait"),
                Flag("dry_run", "--dry-run", "show what would be made, and make nothing"),
                JSON,
            ),
            examples=("qwex machine create train --gpu 1 --idle 2h", "ssh qwex-train"),
        ),
        "list": Command("list your machines", _list, (), (Flag("all", "--all", "everybody's", "-a"), JSON)),
        "status": Command("show a machine", _status, (MACHINE,), (JSON,)),
        "start": Command(
            "start a stopped machine; what no flag says is as it was, and so is its home",
            _start,
            (MACHINE,),
            (*_flags(*SIZE, DETACH), JSON),
            examples=("qwex machine start train --gpu A100:2",),
        ),
        "stop": Command("stop a machine: its quota is given back, its home is kept", _stop, (MACHINE,), (JSON,)),
        "delete": Command(
            "delete a machine; its home is kept",
            _delete,
            (MACHINE,),
            (*_flags(PURGE), JSON),
        ),
        "why": Command("say why a machine does not run yet", _why, (MACHINE,), (JSON,)),
        "events": Command("list what became of a machine, and who asked for what", _events, (MACHINE,), (JSON,)),
        "ssh": Command(
            "log in, or run a command there",
            _ssh,
            (MACHINE,),
            rest="options of ssh and the command",
            examples=("qwex machine ssh train", "qwex machine ssh train -- nvidia-smi"),
        ),
        "kernel": machinekernel.COMMAND,
        "gpus": gpus.COMMAND,
        "code": machinecode.COMMAND,
        "port-forward": Command(
            "have ports of this computer lead into a machine, until Ctrl-C",
            machineports.port_forward,
            (MACHINE, Word("ports", "PORT", "6006, or HERE:THERE as 8080:80", many=True)),
            (JSON,),
            examples=("qwex machine port-forward train 6006 8888", "qwex machine port-forward train 8080:80"),
        ),
        **machineshare.COMMANDS,
        "set": Command("change a machine's limits while it runs", _set, (MACHINE,), (*_flags(*LIMITS), JSON)),
        "uninstall-ssh": Command(
            "take qwex's line out of your ssh configuration, and the machines out of Jupyter's kernels",
            _uninstall,
            (),
            (Flag("dry_run", "--dry-run", "only say what would change"),),
        ),
    },
)
COMMAND = _GROUP._replace(commands={name: _looked_after(command) for name, command in _GROUP.commands.items()})
