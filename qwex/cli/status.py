"""``qwex status``: all that is known of one job."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qwex.cli import describe, exits
from qwex.cli.command import JSON, Command, Given, Word
from qwex.cli.connect import client
from qwex.cli.screen import print_json, safe, say
from qwex.quantities import format_bytes, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qwex.record import JobRecord

__all__ = ["COMMAND"]


def _run(given: Given) -> int:
    record = client().job(given["id"]).record
    if given["json"]:
        print_json(record.as_dict())
        return exits.OK
    say(describe.headline(record), describe.STYLES[record.state])
    for name, text in _lines(record):
        say(f"  {name:<10} {safe(text)}")
    return exits.OK


def _lines(record: JobRecord) -> Iterator[tuple[str, str]]:
    facts = {
        "name": record.name,
        "what": record.kind,
        "user": record.user,
        "queue": f"{record.queue or 'default'} on {record.backend}",
        "priority": str(record.priority or ""),
        "asks for": ", ".join(f"{value} {name}" for name, value in record.resources.items() if value),
        "attempt": str(record.attempt) if record.attempt > 1 else "",
        "submitted": _moment(record.created_at),
        "waited": _waited(record),
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
