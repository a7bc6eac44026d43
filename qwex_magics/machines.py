"""``%qwex machine COMMAND``: the dev machines of ``qwex machine``, with the same flags."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from qwex.client.machinefields import CREATE, DETACH, LIMITS, PURGE, SIZE, changes, check_unused, limits, spec_of
from qwex.client.ssh import doors, files, setup
from qwex.errors import ConfigError, Conflict
from qwex.machines import MachineState
from qwex.machinewords import goes_on
from qwex.options import Flag
from qwex_magics.commands import Command
from qwex_magics.machinecard import MachineCard, MachineTable, Screen
from qwex_magics.session import client

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from qwex.client.machinefields import MachineFlag
    from qwex.machines import MachineRecord
    from qwex_magics.arguments import Parsed

__all__ = ["COMMANDS"]


def _list(shell: InteractiveShell, parsed: Parsed) -> MachineTable:
    everybodys = parsed.given["all"]
    return MachineTable(client().machines(None if everybodys else "me"), everybodys=everybodys)


def _create(shell: InteractiveShell, parsed: Parsed) -> None:
    connected, folder = client(), setup.folder()
    setup.check_free(folder, parsed.plain[0])
    record = connected.create_machine(spec_of({**_read(parsed), "name": parsed.plain[0]}, [files.public_key(folder)]))
    _shown(shell, record, parsed)


def _start(shell: InteractiveShell, parsed: Parsed) -> None:
    connected, name = client(), parsed.plain[0]
    if asked := changes(parsed.given):
        check_unused(connected.machine(name))
    _shown(shell, connected.start_machine(name, **asked), parsed)


def _shown(shell: InteractiveShell, record: MachineRecord, parsed: Parsed) -> None:
    """The card, until the machine takes ssh; the notebook's Stop ends the watching, and the machine goes on."""
    folder = setup.folder()
    if said := setup.know(folder, client().machines("me")):
        print(said)  # noqa: T201
    screen, note = Screen(shell, record.id), ""
    if not parsed.given["detach"]:
        try:
            for found, why in client().follow_machine(record.id):
                record = found
                screen.show(MachineCard(record, note=why.summary if why else ""))
            with suppress(ConfigError, Conflict):  # it is said already
                setup.learn(folder, record)
        except KeyboardInterrupt:
            note = f"no longer followed; {goes_on(record)}"
    screen.show(MachineCard(record, note=note))


def _status(shell: InteractiveShell, parsed: Parsed) -> MachineCard:
    return MachineCard(client().machine(parsed.plain[0]), is_whole=True)


def _why(shell: InteractiveShell, parsed: Parsed) -> MachineCard:
    connected = client()
    record, why = connected.machine(parsed.plain[0]), connected.machine_why(parsed.plain[0])
    return MachineCard(record, note=" → ".join([why.summary, *why.suggestions]))


def _stop(shell: InteractiveShell, parsed: Parsed) -> MachineCard:
    return MachineCard(client().stop_machine(parsed.plain[0]), note="its home is kept")


def _set(shell: InteractiveShell, parsed: Parsed) -> MachineCard:
    return MachineCard(client().change_machine(parsed.plain[0], **limits(parsed.given)), is_whole=True)


def _code(shell: InteractiveShell, parsed: Parsed) -> MachineCard:
    record = client().machine(parsed.plain[0])
    if record.state is not MachineState.RUNNING:
        do = "See: %qwex machine why" if record.state.is_up else "Start it with: %qwex machine start"
        raise UsageError(f"the machine {record.name} is {record.state}. {do} {record.name}")
    return MachineCard(record)


def _delete(shell: InteractiveShell, parsed: Parsed) -> MachineCard:
    record = client().delete_machine(parsed.plain[0], parsed.given["purge"])
    if said := setup.forget(setup.folder(), record.name):
        print(said)  # noqa: T201
    home = "with its home and all that is in it" if parsed.given["purge"] else "its home is kept"
    return MachineCard(record, note=f"being deleted, {home}")


def _read(parsed: Parsed) -> dict[str, Any]:
    given = dict(parsed.given)
    return given | {"priority": int(given["priority"])} if "priority" in given else given


def _flags(*asked: MachineFlag) -> tuple[Flag, ...]:
    return tuple(
        Flag(each.name, each.long, each.short, each.kind, each.many, each.metavar, each.help) for each in asked
    )


def _looked_after(command: Command) -> Command:
    """The command; of a machine that it cannot be about, it says whose that is."""

    def call(shell: InteractiveShell, parsed: Parsed) -> Any:
        with doors.looked_after(setup.folder(), parsed.plain[0]):
            return command.call(shell, parsed)

    return command._replace(call=call) if command.completes == "machine" else command


_ONE: dict[str, Any] = {"words": (1, 1), "completes": "machine"}

_COMMANDS = {
    "list": Command(
        "machine list [--all]", "your machines", _list, (Flag("all", "--all", "-a", bool, False, "", "everybody's"),)
    ),
    "create": Command(
        "machine create NAME [flags]", "make a machine, and wait until it takes ssh", _create, _flags(*CREATE), (1, 1)
    ),
    "status": Command("machine status NAME", "one machine", _status, **_ONE),
    "why": Command("machine why NAME", "why one does not run yet", _why, **_ONE),
    "start": Command(
        "machine start NAME [flags]",
        "start one again, also with other resources",
        _start,
        _flags(*SIZE, DETACH),
        **_ONE,
    ),
    "stop": Command("machine stop NAME", "stop one: its quota is given back, its home is kept", _stop, **_ONE),
    "set": Command("machine set NAME --idle TIME", "change one's limits while it runs", _set, _flags(*LIMITS), **_ONE),
    "code": Command("machine code NAME", "links that open VS Code or Cursor in one", _code, **_ONE),
    "delete": Command(
        "machine delete NAME [--purge]",
        "delete one; its home is kept",
        _delete,
        _flags(PURGE),
        **_ONE,
    ),
}
COMMANDS = {name: _looked_after(command) for name, command in _COMMANDS.items()}
