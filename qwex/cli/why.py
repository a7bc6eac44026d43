"""``qwex why``: why a job waits, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.cli import describe, exits
from qwex.cli.command import JSON, Command, Given, Word
from qwex.cli.connect import client
from qwex.cli.screen import print_json, safe, say

if TYPE_CHECKING:
    from qwex.record import JobRecord
    from qwex.state import Why

__all__ = ["COMMAND"]


def _run(given: Given) -> int:
    connection = client()
    record = connection.job(given["id"]).record
    why = connection.why(record.id)
    if given["json"]:
        print_json({"id": record.id, "state": record.state, **why.as_dict()})
    else:
        _show(record, why)
    return exits.OK


def _show(record: JobRecord, why: Why) -> None:
    say(describe.headline(record, why), describe.STYLES[record.state])
    if record.state.terminal or record.started_at is not None:
        say(f"  {safe(why.summary)}")
    asked = [line for line in why.quota if line.requested]
    width = max((len(line.resource) for line in asked), default=0)
    for line in asked:
        amount = describe.amount(line, line.requested)
        say(f"  {safe(line.resource):<{width}}  asks for {amount}; {describe.used(line)} in use")
    for suggestion in why.suggestions:
        say(f"  → {safe(suggestion)}")


COMMAND = Command(
    "say why a job waits, and for how long", _run, (Word("id", "ID", "the job", complete="alive"),), (JSON,)
)
