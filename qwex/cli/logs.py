"""``qwex logs``: a job's output, so far or as it comes."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import TYPE_CHECKING

from qwex.cli import exits
from qwex.cli.command import JSON_LINES, Command, Flag, Given, Word
from qwex.cli.connect import client
from qwex.cli.screen import note, safe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qwex.client import Client
    from qwex.events import Event
    from qwex.record import JobRecord

__all__ = ["COMMAND"]

_FLAGS = (
    Flag("follow", "--follow", "go on until the job ends; Ctrl-C stops following, not the job", "-f"),
    Flag("offset", "--offset", "begin after the event of this number", "", int, metavar="N"),
    JSON_LINES,
)


def _run(given: Given) -> int:
    connection = client()
    record = connection.job(given["id"]).record
    after = given["offset"] or 0
    if not given["follow"]:
        return _print(connection, record, after, as_json=given["json"])
    from qwex.cli.follow import Follower

    follower = Follower(connection, record, after=after, merged=True, json=given["json"])
    code = follower.run()
    return code if code == exits.INTERRUPTED and not follower.record.state.terminal else exits.OK


def _print(client: Client, record: JobRecord, after: int, *, as_json: bool) -> int:
    from qwex.cli.follow import next_attempt, write_text
    from qwex.textlog import TEXT_TYPES, text_of

    # As JSON, the whole story; as text, what a terminal would have shown.
    types = () if as_json else (*TEXT_TYPES, "state")
    with closing(client.events(record.id, after, follow=False, types=types)) as events:  # type: ignore[type-var]
        if as_json:
            _print_array(events)
            return exits.OK
        for event in events:
            text = text_of(event.type, event.data)
            if again := next_attempt(event):
                note(again, "yellow")
            elif event.type == "notice":
                note(safe(text.rstrip("\n")), "yellow")
            else:
                write_text(sys.stdout, event, text)
    if not record.state.terminal and sys.stdout.isatty():
        note(f"{record.id} is {record.state}; follow it: qwex logs {record.id} --follow", "dim")
    return exits.OK


def _print_array(events: Iterable[Event]) -> None:
    """One document, written as it is read: a log may be larger than memory."""
    lead = "[\n"
    for event in events:
        sys.stdout.write(lead + json.dumps(event.as_dict(), separators=(",", ":"), ensure_ascii=False))
        lead = ",\n"
    sys.stdout.write("[]\n" if lead == "[\n" else "\n]\n")


COMMAND = Command(
    "print a job's output",
    _run,
    (Word("id", "ID", "the job", complete="job"),),
    _FLAGS,
    examples=("qwex logs train-7k3f9q --follow", "qwex logs train-7k3f9q > train.log"),
)
