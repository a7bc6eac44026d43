"""Machines in words: every front end says them the same. Pure, and cheap to import."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from qwex.machines import MachineReason, MachineState
from qwex.wording import span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwex.machines import MachineRecord

__all__ = [
    "EDITORS",
    "USUAL_EDITORS",
    "Editor",
    "editor_links",
    "goes_on",
    "machine_lines",
    "machine_message",
    "machine_row",
    "machine_size",
    "machine_use",
]


class Editor(NamedTuple):
    """Its name for people, and the scheme of its links. Its program takes what VS Code's takes."""

    title: str
    scheme: str


#: By the names of their programs, the usual ones first.
EDITORS = {
    "code": Editor("VS Code", "vscode"),
    "cursor": Editor("Cursor", "cursor"),
    "windsurf": Editor("Windsurf", "windsurf"),
    "code-insiders": Editor("VS Code Insiders", "vscode-insiders"),
    "codium": Editor("VSCodium", "vscodium"),
}
#: Those whose links are shown unless one is asked for.
USUAL_EDITORS = ("code", "cursor")


def editor_links(host: str, path: str) -> dict[str, str]:
    """What opens each editor in that folder of the machine, by the editor's name."""
    from urllib.parse import quote

    return {name: f"{each.scheme}://vscode-remote/ssh-remote+{host}{quote(path)}" for name, each in EDITORS.items()}


def machine_row(record: MachineRecord, *, everybodys: bool = False) -> tuple[str, ...]:
    """The machine in a table: name, state, whose it is where there are others', size, queue, what goes on."""
    user = (record.user,) if everybodys else ()
    return (
        record.name,
        str(record.state),
        *user,
        machine_size(record),
        record.queue or "",
        machine_use(record) or machine_message(record),
    )


def machine_size(record: MachineRecord) -> str:
    """``gpu A100:1, 8 cpu, 32Gi``."""
    asked = record.resources
    parts = [f"gpu {asked['gpu']}"] if asked.get("gpu") else []
    parts += [f"{asked.get('cpu') or 1} cpu"]
    return ", ".join([*parts, *([str(asked["memory"])] if asked.get("memory") else [])])


def machine_use(record: MachineRecord) -> str:
    """``inactive 34m of 2h``; what goes on, where something does."""
    if record.state is not MachineState.RUNNING:
        return ""
    if record.doing:
        return record.doing[0]
    if record.active_at is None:
        return f"stops after {span(record.idle)} of nothing" if record.idle else ""
    since = f"inactive {span(max(time.time() - record.active_at, 0))}"
    return f"{since} of {span(record.idle)}" if record.idle else since


def machine_message(record: MachineRecord) -> str:
    """What is known of where it stands: which limit stopped it, or what its place says."""
    if record.state in (MachineState.STOPPING, MachineState.STOPPED):
        if record.reason == MachineReason.IDLE:
            return f"nobody used it for {span(record.idle)}" if record.idle else "nobody used it"
        if record.reason == MachineReason.TOO_OLD:
            return f"it had run for {span(record.max_age)}" if record.max_age else "it had run for as long as it may"
    return record.message


def goes_on(record: MachineRecord) -> str:
    """What becomes of one that nobody watches any more as it comes up."""
    if record.state is not MachineState.STARTING:
        return "it starts when its turn comes"
    return f"it is being started{f', and {record.message}' if record.message else ''}"


def machine_lines(record: MachineRecord) -> Iterator[tuple[str, str | None]]:
    """What there is to say of one beyond its state: what it is of, and the text, which may be nothing."""
    yield "", machine_message(record)
    yield "ssh", f"ssh {record.host}"
    yield "size", machine_size(record)
    yield "on", ": ".join(filter(None, (record.provider, record.door.get("place"))))
    yield "queue", record.queue
    yield "node", record.node
    yield "image", record.image
    yield "home", f"{record.home} {record.home_size}".strip()
    yield "use", machine_use(record)
    if record.idle:
        yield "idle", f"stops after {span(record.idle)} without use"
    if record.max_age:
        yield "age", f"stops after {span(record.max_age)}"
    yield "id", record.id
