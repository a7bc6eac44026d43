"""``qwex queues``: the lines a job may stand in."""

from __future__ import annotations

from qwex import wording
from qwex.cli import exits
from qwex.cli.command import JSON, Command, Given
from qwex.cli.connect import client
from qwex.cli.screen import note, print_json, safe
from qwex.cli.table import print_table

__all__ = ["COMMAND"]


def _run(given: Given) -> int:
    queues = client().queues()
    if given["json"]:
        print_json({"queues": [queue.as_dict() for queue in queues], "away": queues.away})
    elif queues:
        rows = [wording.queue_row(queue) for queue in queues]
        print_table(("QUEUE", "BACKEND", "WAITING", "RUNNING", "IN USE", ""), rows)
    for told in queues.notes if not given["json"] else ():
        note(safe(told))
    return exits.UNAVAILABLE if queues.away and not queues else exits.OK


COMMAND = Command("show the queues, what is used and what is allowed", _run, flags=(JSON,))
