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
    from collections.abc import Iterable

    from qwex.client import Client
    from qwex.record import JobRecord

__all__ = ["COMMAND"]


def _run(given: Given) -> int:
    connection = client()
    # All are looked up before any is cancelled: the order matters, and the others go on when one is not there.
    before, code = _found(connection, given["ids"], as_json=given["json"])
    now = _cancelled(connection, before.values())
    if given["json"]:
        print_json({"jobs": [now[run_id].as_dict() for run_id in before]})
        return code
    for run_id, record in before.items():
        say(f"{run_id} {_what(record, now[run_id])}")
    return code


def _found(client: Client, run_ids: Iterable[str], *, as_json: bool) -> tuple[dict[str, JobRecord], int]:
    """The jobs by their ids, in the order they were named; the code of one that is not there."""
    records, code = {}, exits.OK
    for run_id in dict.fromkeys(run_ids):
        try:
            records[run_id] = client.job(run_id).record
        except NotFound as error:
            exits.report(error, as_json=as_json)
            code = exits.code_of(error)
    return records, code


def _cancelled(client: Client, records: Iterable[JobRecord]) -> dict[str, JobRecord]:
    """What became of each: those that wait are cancelled first, so that none of them starts meanwhile."""
    from qwex.client.job import cancel_order

    ordered = sorted(records, key=cancel_order)
    return {record.id: record if record.state.terminal else client.cancel(record.id) for record in ordered}


def _what(before: JobRecord, now: JobRecord) -> str:
    if before.state.terminal:
        return f"had ended already: {before.state}"
    return "cancelled" if now.state is JobState.CANCELLED else "is being stopped"


COMMAND = Command("end jobs", _run, (Word("ids", "ID", "the jobs", many=True, complete="alive"),), (JSON,))
