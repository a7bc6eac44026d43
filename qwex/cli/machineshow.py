"""How a machine is shown in a terminal: a row, its details, how it comes up, and the way in."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from qwex.cli import exits
from qwex.cli.screen import LiveLine, note, safe, say
from qwex.cli.table import print_table
from qwex.client import kernelspecs
from qwex.machines import MachineState
from qwex.machinewords import goes_on, machine_lines, machine_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.client import Client
    from qwex.machines import MachineEvent, MachineRecord
    from qwex.state import Why

__all__ = ["details", "events", "table", "until_up", "way_in", "why"]

STYLES = {
    MachineState.RUNNING: "green",
    MachineState.FAILED: "red",
    MachineState.QUEUED: "yellow",
    MachineState.STARTING: "cyan",
}


def table(records: Sequence[MachineRecord], *, everybodys: bool) -> None:
    """One row a machine; a sentence where there are none."""
    if not records:
        say("no machines. Make one with: qwex machine create NAME --gpu 1")
        return
    user = ("USER",) if everybodys else ()
    rows = [machine_row(each, everybodys=everybodys) for each in records]
    headings = ("NAME", "STATE", *user, "SIZE", "QUEUE", "MESSAGE")
    print_table(headings, rows, [STYLES.get(each.state, "") for each in records])


def details(record: MachineRecord) -> None:
    """Everything there is to say of one."""
    say(f"{record.name}  {record.state}  {record.reason}".rstrip(), STYLES.get(record.state, ""))
    for name, value in machine_lines(record):
        if value:
            say(f"  {name:<8} {safe(str(value))}")


def why(record: MachineRecord, found: Why) -> None:
    """Why it does not run."""
    say(f"{record.name}  {record.state}", STYLES.get(record.state, ""))
    say(f"  {safe(found.summary)}")
    if found.position:
        cluster = f", {found.cluster_position} in the cluster queue" if found.cluster_position else ""
        say(f"  place {found.position} in {safe(found.position_in)}{cluster}")
    for suggestion in found.suggestions:
        say(f"  → {safe(suggestion)}")


def events(found: Sequence[MachineEvent]) -> None:
    """One row for each: when, where it stood from then on, and what is known of it."""
    rows = [(_moment(each.ts), str(each.state), str(each.run), each.node, _story(each)) for each in found]
    print_table(("TIME", "STATE", "RUN", "NODE", ""), rows, [STYLES.get(each.state, "") for each in found])


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _story(event: MachineEvent) -> str:
    """``stop by ada · StoppedByUser``; a policy's wish names nobody."""
    asked = f"{event.asked} by {event.user}" if event.user else event.asked
    return " · ".join(part for part in (asked, event.reason, event.message) if part)


def until_up(connection: Client, record: MachineRecord) -> MachineRecord:
    """Show why it is not there yet, until it is; Ctrl-C ends the watching, and the machine goes on."""
    line, last = LiveLine(), ""
    try:
        for found, why in connection.follow_machine(record.id):
            record = found
            said = safe(why.summary if why and why.reason else record.message)
            line.show(f"◌ {record.name}  {record.state}  {said}", STYLES.get(record.state, ""))
            if said and said != last and not sys.stderr.isatty():
                note(f"{record.name}  {record.state}  {said}")  # in a log, each reason is a line
            last = said
    except KeyboardInterrupt:
        line.clear()
        note(f"{record.name} goes on: {safe(goes_on(record))}. See: qwex machine why {record.name}", over=True)
        return record
    line.clear()
    return record


def way_in(record: MachineRecord) -> int:
    """What to do with it now; the exit code."""
    say(f"{record.name}  {record.state}", STYLES.get(record.state, ""))
    if record.state is MachineState.FAILED:
        note(safe(record.message))
        return exits.FAILED
    if record.state is not MachineState.RUNNING:
        say(f"  why      qwex machine why {record.name}")
        return exits.OK
    if not record.door.get("ssh", True):
        say(f"  shell    qwex machine ssh {record.name}")
        note("there is no ssh server here, so ssh, scp and editors cannot reach it")
        return exits.OK
    home = record.door.get("home") or ""
    say(f"  shell    ssh {record.host}")
    say(f"  VS Code  vscode://vscode-remote/ssh-remote+{record.host}{home}")
    say(f"  Cursor   cursor://vscode-remote/ssh-remote+{record.host}{home}")
    if kernelspecs.is_listed(record.name):
        say(f'  Jupyter  "Python ({record.name})" in its list of kernels')
    say(f"  stop     qwex machine stop {record.name}")
    return exits.OK
