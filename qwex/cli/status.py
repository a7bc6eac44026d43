"""``qwex status``: all that is known of one job."""

from __future__ import annotations

import contextlib
import shlex
import time
from typing import TYPE_CHECKING, Any

from qwex.cli import describe, exits
from qwex.cli.attempts import Attempt, attempts_of
from qwex.cli.command import JSON, Command, Given, Word
from qwex.cli.connect import client
from qwex.cli.screen import print_json, safe, say
from qwex.errors import NotAuthorized, NotFound
from qwex.quantities import format_bytes, format_duration
from qwex.wording import metric_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qwex.client import Client
    from qwex.record import JobRecord

__all__ = ["COMMAND"]

#: Seconds after which it is worth a word that a tracker has not caught up.
_BEHIND = 10.0


def _run(given: Given) -> int:
    connection = client()
    record = connection.job(given["id"]).record
    command, attempts = _told(connection, record)
    if given["json"]:
        print_json({**record.as_dict(), "command": command, "attempts": [attempt._asdict() for attempt in attempts]})
        return exits.OK
    say(describe.headline(record), describe.STYLES[record.state])
    for name, text in (*_lines(record, command, attempts), *_logged(connection, record)):
        say(f"  {safe(name):<10} {safe(text)}")
    return exits.OK


def _logged(client: Client, record: JobRecord) -> Iterator[tuple[str, str]]:
    """What its code has logged over time, and what waits to be recorded elsewhere."""
    with contextlib.suppress(NotAuthorized):
        for metric in client.metrics(record.id):
            yield metric.name, metric_line(metric)
    for tracker in client.trackers(record.id):
        if tracker.problem or time.time() - (tracker.since or time.time()) > _BEHIND:
            why = f": {tracker.problem}" if tracker.problem else ""
            yield tracker.name, f"not all is recorded there yet, since {_moment(tracker.since)}{why}"


def _told(client: Client, record: JobRecord) -> tuple[list[str], list[Attempt]]:
    """What it runs and its attempts, where they are yours to see: of another's job there is the record alone."""
    try:
        command = _command(client.spec(record.id))
        with contextlib.closing(client.events(record.id, follow=False, types=("state",))) as events:  # type: ignore[type-var]
            return command, attempts_of(events)
    except (NotAuthorized, NotFound):
        return [], []


def _command(spec: dict[str, Any]) -> list[str]:
    """The words of a command, or a script with its arguments; empty for code that has no line of its own."""
    source, words = spec.get("source") or {}, [str(word) for word in spec.get("args") or ()]
    return [str(source.get("name") or "script"), *words] if source.get("kind") == "script" else words


def _lines(record: JobRecord, command: Sequence[str], attempts: Sequence[Attempt]) -> Iterator[tuple[str, str]]:
    facts = {
        "name": record.name,
        "what": record.kind,
        "command": shlex.join(command),
        "user": record.user,
        "queue": f"{record.queue or 'default'} on {record.backend}",
        "priority": str(record.priority or ""),
        "asks for": ", ".join(f"{value} {name}" for name, value in record.resources.items() if value),
        "submitted": _moment(record.created_at),
        "waited": _waited(record),
        **_story(attempts),
        "ended": _moment(record.ended_at),
        "exit code": "" if record.exit_code is None else str(record.exit_code),
        "used": _used(record),
        "outputs": ", ".join(record.outputs),
        "tags": ", ".join(f"{key}={value}" for key, value in record.tags.items()),
        "notebook": (record.notebook or {}).get("path", ""),
        "array": record.group or "",
        **record.links,
    }
    return ((name, text) for name, text in facts.items() if text)


def _story(attempts: Sequence[Attempt]) -> dict[str, str]:
    """A line for each attempt; none for a job that had only one."""
    return {f"attempt {attempt.number}": _attempt(attempt) for attempt in attempts if len(attempts) > 1}


def _attempt(attempt: Attempt) -> str:
    """``2026-11-25 20:13:50 · ran 3m12s · Preempted: train-b has a higher priority``."""
    ran = ""
    if attempt.started_at is not None and attempt.ended_at is not None:
        ran = f"ran {format_duration(attempt.ended_at - attempt.started_at)}"
    why = ": ".join(part for part in (attempt.reason, attempt.message) if part)
    return " · ".join(part for part in (_moment(attempt.started_at) or "did not start yet", ran, why) if part)


def _moment(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _waited(record: JobRecord) -> str:
    until = record.started_at or record.ended_at
    return format_duration(until - record.created_at) if until and record.attempt == 1 else ""


def _used(record: JobRecord) -> str:
    cpu = "" if record.cpu_time is None else f"{format_duration(record.cpu_time)} of CPU"
    memory = "" if record.peak_memory is None else f"{format_bytes(record.peak_memory)} of memory at most"
    return ", ".join(part for part in (cpu, memory) if part)


COMMAND = Command("show all that is known of a job", _run, (Word("id", "ID", "the job", complete="job"),), (JSON,))
