"""``qwex wait``: until jobs have ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qwex.cli import describe, exits
from qwex.cli.command import JSON, Command, Flag, Given, Word
from qwex.cli.connect import client
from qwex.cli.screen import LiveLine, note, print_json, say

if TYPE_CHECKING:
    from qwex.client import Job

__all__ = ["COMMAND"]

_FLAGS = (
    Flag("timeout", "--timeout", "wait no longer than this: 90s, 15m; then end with code 5", "-t", str, metavar="TIME"),
    JSON,
)


def _run(given: Given) -> int:
    deadline = None if given["timeout"] is None else time.monotonic() + _seconds(given["timeout"])
    connection = client()
    # All are looked up before any is waited for: a mistyped id shows at once.
    jobs = [connection.job(run_id) for run_id in dict.fromkeys(given["ids"])]
    try:
        codes = [_wait(job, deadline, quiet=given["json"]) for job in jobs]
    except KeyboardInterrupt:
        note("no longer waiting; the jobs go on", over=True)
        return exits.INTERRUPTED
    if given["json"]:
        print_json({"jobs": [job.record.as_dict() for job in jobs]})
    if exits.TIMEOUT in codes and not all(job.record.state.terminal for job in jobs):
        return exits.TIMEOUT
    return next((code for code in codes if code), exits.OK)


def _seconds(text: str) -> float:
    from qwex.quantities import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise exits.UsageError(f"--timeout: {error}") from None


def _wait(job: Job, deadline: float | None, *, quiet: bool) -> int:
    line = LiveLine()
    if not quiet:
        line.show(f"waiting for {job.id}", "dim")
    try:
        ended = job.wait(None if deadline is None else max(deadline - time.monotonic(), 0.0))
    finally:
        line.clear()
    said, style = describe.headline(job.record), describe.STYLES[job.record.state]
    if not ended:
        note(f"{said} · the time to wait is over; it goes on", style)
        return exits.TIMEOUT
    if not quiet:
        say(said, style)
    return exits.of_job(job.record)


COMMAND = Command(
    "wait until jobs have ended",
    _run,
    (Word("ids", "ID", "the jobs", many=True, complete="alive"),),
    _FLAGS,
    examples=("qwex wait train-7k3f9q && qwex submit evaluate.py", "qwex wait a-2b3c4d b-5e6f7g --timeout 1h"),
)
