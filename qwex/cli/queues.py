"""``qwex queues``: the lines a job may stand in."""

from __future__ import annotations

from qwex.cli import describe, exits
from qwex.cli.command import JSON, Command, Given
from qwex.cli.connect import client
from qwex.cli.screen import print_json
from qwex.cli.table import print_table

__all__ = ["COMMAND"]


def _run(given: Given) -> int:
    queues = client().queues()
    if given["json"]:
        print_json({"queues": [queue.as_dict() for queue in queues]})
        return exits.OK
    rows = [
        (
            queue.name + (" (default)" if queue.default else ""),
            queue.backend,
            str(queue.waiting),
            str(queue.running),
            ", ".join(f"{describe.used(line)} {line.resource}" for line in queue.quota),
            queue.description + (" (stopped)" if queue.stopped else ""),
        )
        for queue in queues
    ]
    print_table(("QUEUE", "BACKEND", "WAITING", "RUNNING", "IN USE", ""), rows)
    return exits.OK


COMMAND = Command("show the queues, what is used and what is allowed", _run, flags=(JSON,))
