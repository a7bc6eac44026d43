"""``qwex cancel``: end jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.cli import exits
from qwex.cli.command import JSON, Command, Given, Word
from qwex.cli.connect import client
from qwex.cli.screen import print_json, say
from qwex.errors import NotFound
from qwex.state import JobState

if TYPE_CHECKING:
    from qwex.client import Client
    from qwex.record import JobRecord

__all__ = ["COMMAND"]


def _run(given: Given) -> int:
    connection = client()
    records, code = [], exits.OK
    for run_id in dict.fromkeys(given["ids"]):
        try:
            records.append(_cancel(connection, run_id, quiet=given["json"]))
        except NotFound as error:
            # The others are cancelled all the same.
            exits.report(error)
            code = exits.code_of(error)
    if given["json"]:
        print_json({"jobs": [record.as_dict() for record in records]})
    return code


def _cancel(client: Client, run_id: str, *, quiet: bool) -> JobRecord:
    before = client.job(run_id).record
    record = before if before.state.terminal else client.cancel(run_id)
    if not quiet:
        say(f"{run_id} {_what(before, record)}")
    return record


def _what(before: JobRecord, now: JobRecord) -> str:
    if before.state.terminal:
        return f"had ended already: {before.state}"
    return "cancelled" if now.state is JobState.CANCELLED else "is being stopped"


COMMAND = Command("end jobs", _run, (Word("ids", "ID", "the jobs", many=True, complete="alive"),), (JSON,))
