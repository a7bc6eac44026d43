"""A machine in a notebook: a card as text and as HTML, everything in it escaped; several as a table."""

from __future__ import annotations

import os
from html import escape
from typing import TYPE_CHECKING, Any

from qwex.client.show import Table
from qwex.machines import MachineState
from qwex.machinewords import (
    EDITORS,
    USUAL_EDITORS,
    editor_links,
    machine_lines,
    machine_message,
    machine_row,
    machine_size,
    machine_use,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from qwex.machines import MachineRecord

__all__ = ["MachineCard", "MachineTable", "Screen"]

_SIGNS = {
    MachineState.PENDING: ("◌", "#8a8a8a"),
    MachineState.QUEUED: ("◌", "#8a8a8a"),
    MachineState.STARTING: ("◐", "#2f7fd8"),
    MachineState.RUNNING: ("●", "#2f7fd8"),
    MachineState.STOPPING: ("◐", "#8a8a8a"),
    MachineState.STOPPED: ("○", "#8a8a8a"),
    MachineState.FAILED: ("✖", "#d64545"),
}


class MachineTable:
    """Several machines, from what was last heard of each."""

    def __init__(self, records: Sequence[MachineRecord], *, everybodys: bool) -> None:
        self.records = list(records)
        self._everybodys = everybodys

    def __repr__(self) -> str:
        return repr(self._table()) if self.records else _NONE

    def _repr_html_(self) -> str:
        return self._table()._repr_html_() if self.records else f"<p>{escape(_NONE)}</p>"

    def _table(self) -> Table:
        user = ("user",) if self._everybodys else ()
        rows = [machine_row(record, everybodys=self._everybodys) for record in self.records]
        return Table(("name", "state", *user, "size", "queue", "message"), rows)


_NONE = "no machines. Make one with: %qwex machine create NAME --gpu 1"


class MachineCard:
    """One machine as it was last heard of, and the ways in where it runs; ``is_whole`` has all that is known."""

    def __init__(self, record: MachineRecord, *, note: str = "", is_whole: bool = False) -> None:
        self.record = record
        self._note = _plain(note)
        self._is_whole = is_whole

    def __repr__(self) -> str:
        lines = [f"{name:<8} {_plain(text)}".rstrip() for name, text in self._facts()]
        lines += [f"{title:<8} {link}" for title, link in self._links()]
        return "\n  ".join([f"{_SIGNS[self.record.state][0]} {self._line()}", *lines])

    def _repr_html_(self) -> str:
        sign, colour = _SIGNS[self.record.state]
        links = [f'<a href="{escape(link)}">{escape(title)}</a>' for title, link in self._links()]
        facts = [f"{escape(name)} <code>{escape(_plain(text))}</code>" for name, text in self._facts()]
        rest = " · ".join([*facts, *links])
        below = f"<div>{rest}</div>" if rest else ""
        head = f'<span style="color:{colour}" aria-hidden="true">{sign}</span> {escape(self._line())}'
        return f'<div class="qwex-machine">{head}{below}</div>'

    def _line(self) -> str:
        record = self.record
        what = self._note or _plain(machine_use(record) or machine_message(record))
        return " · ".join(filter(None, [f"{record.name}  {record.state}", machine_size(record), what]))

    def _facts(self) -> list[tuple[str, str]]:
        if self._is_whole:
            return [(name, str(text)) for name, text in machine_lines(self.record) if name and text]
        return [("ssh", f"ssh {self.record.host}")] if self._runs else []

    def _links(self) -> list[tuple[str, str]]:
        if not self._runs:
            return []
        links = editor_links(self.record.host, self.record.door.get("home") or "/")
        return [(EDITORS[name].title, links[name]) for name in USUAL_EDITORS]

    @property
    def _runs(self) -> bool:
        return self.record.state is MachineState.RUNNING


class Screen:
    """The place of one card in a cell's output: shown once, then updated; in a terminal a line when it changes."""

    def __init__(self, shell: InteractiveShell, machine_id: str) -> None:
        self._shell: Any = shell
        self._transient = {"display_id": f"qwex/{machine_id}/{os.urandom(4).hex()}"}
        self._seen = ""

    def show(self, card: MachineCard) -> None:
        """Show it, unless nothing has changed."""
        bundle = {"text/plain": repr(card), "text/html": card._repr_html_()}
        if bundle["text/html"] != self._seen:
            update = bool(self._seen) and hasattr(self._shell, "kernel")
            self._shell.display_pub.publish(data=bundle, metadata={}, transient=self._transient, update=update)
        self._seen = bundle["text/html"]


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)
