"""``qwex wait``: until jobs have ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qwex.cli import describe, exits
from qwex.cli.command import JSON, Command, Flag, Given, Word
from qwex.cli.connect import client
from qwex.cli.screen import note, print_json, say
from qwex.cli.standing import Standing
from qwex.client.face import iterate
from qwex.client.follow import follow
from qwex.client.http import DeadlineError

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
    standing = Standing(job.record, quiet=quiet)
    try:
        ended = _has_ended(job, deadline, standing)
    finally:
        standing.clear()
    said, style = describe.headline(job.record), describe.STYLES[job.record.state]
    if not ended:
        note(f"{said} · the time to wait is over; it goes on", style)
        return exits.TIMEOUT
    if not quiet:
        say(said, style)
    return exits.of_job(job.record)


def _has_ended(job: Job, deadline: float | None, standing: Standing) -> bool:
    """Wait for the job's end, and say meanwhile where it stands; whether it has ended in time."""
    if not job.record.state.terminal:
        session = job.inner.client.session
        try:
            for event in iterate(follow(session, job.id, why=True, types=("state",), deadline=deadline)):
                standing.tell(event)
        except DeadlineError:
            pass
    return job.done()


COMMAND = Command(
    "wait until jobs have ended",
    _run,
    (Word("ids", "ID", "the jobs", many=True, complete="alive"),),
    _FLAGS,
    examples=("qwex wait train-7k3f9q && qwex submit evaluate.py", "qwex wait a-2b3c4d b-5e6f7g --timeout 1h"),
)
