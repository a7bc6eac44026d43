"""Jobs, waits and amounts in words: every front end says them the same. Pure, and cheap to import."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qwex.quantities import format_bytes, format_duration, parse_memory
from qwex.state import JobState, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.record import JobRecord, Metric
    from qwex.state import QueueInfo, QuotaLine, Why

__all__ = [
    "SIGNS",
    "age",
    "amount",
    "asked",
    "attempt",
    "cancelling",
    "cause",
    "ended",
    "job_row",
    "joined",
    "metric_line",
    "more_memory",
    "ordinal",
    "other_row",
    "queue_row",
    "ran",
    "remedy",
    "span",
    "spark",
    "standing",
    "used",
    "waiting",
]

SIGNS = {
    JobState.PENDING: "◌",
    JobState.QUEUED: "◌",
    JobState.ADMITTED: "◐",
    JobState.RUNNING: "●",
    JobState.SUCCEEDED: "✔",
    JobState.FAILED: "✖",
    JobState.CANCELLED: "⦸",
}
_ENDS = {JobState.SUCCEEDED: "finished in", JobState.FAILED: "failed after", JobState.CANCELLED: "cancelled after"}
#: From where on an interval is said in minutes, and in hours.
_MINUTES, _HOURS = 90, 90 * 60


def span(seconds: float) -> str:
    """A duration: ``340ms``, ``1.8s``, ``42s``, ``3m12s``, ``1h04m``."""
    seconds = max(seconds, 0)
    if seconds < 0.9995:  # what would be rounded to 1000ms is a second
        return f"{seconds * 1000:.0f}ms"
    return format_duration(seconds if seconds < 9.95 else round(seconds))


def age(record: JobRecord, now: float | None = None) -> str:
    """How long ago the job was submitted."""
    return span((now or time.time()) - record.created_at)


def ran(record: JobRecord, now: float | None = None) -> str:
    """How long the present attempt ran, or has been running; empty when its start is not known."""
    if record.started_at is None:
        return ""
    until = record.ended_at or now or time.time()
    # Two clocks may differ a little: nothing has run for longer than it has been there.
    return span(until - max(record.started_at, record.created_at))


def ended(record: JobRecord) -> str:
    """How it ended, and after how long: ``finished in 3m12s``; without the time when its start is not known."""
    words, took = _ENDS[record.state], ran(record)
    if took:
        return f"{words} {took}"
    if record.state is JobState.CANCELLED:
        return f"cancelled before {attempt(record) or 'it'} started"
    return words.split()[0]


def cause(record: JobRecord) -> str:
    """The reason and its sentence: ``TimedOut: ran longer than 15m``; an exception's sentence names itself."""
    reason = "" if record.reason == Reason.EXCEPTION and record.message else str(record.reason)
    return ": ".join(part for part in (reason, record.message) if part)


def remedy(record: JobRecord) -> str:
    """What helps a job that failed, as a command of qwex: ``resubmit train-7k3f9q --mem 2Gi``."""
    more = more_memory(record)
    return f"resubmit {record.id} --mem {more}" if more else ""


def more_memory(record: JobRecord) -> str:
    """Twice what a job had that ran out of memory: ``2Gi``; empty for any other."""
    had = record.resources.get("memory")
    if record.reason != Reason.OUT_OF_MEMORY.value or not had:
        return ""
    mebibytes = max(2 * parse_memory(had) >> 20, 1)
    return f"{mebibytes >> 10}Gi" if mebibytes % 1024 == 0 else f"{mebibytes}Mi"


def attempt(record: JobRecord) -> str:
    """``attempt 2``; the first goes without saying."""
    return f"attempt {record.attempt}" if record.attempt > 1 else ""


def standing(record: JobRecord, why: Why | None = None) -> str:
    """A job that has not started: ``QUEUED  3rd in gpu-team · waits for 1 GPU``; a later attempt says why it is one."""
    told = waiting(why) if why else cause(record)
    again = attempt(record)
    if again and why and record.reason:
        again += f" ({record.reason})"
    return joined(f"{record.state}  {told}".rstrip(), again)


def waiting(why: Why) -> str:
    """``3rd in gpu-team, 11th in the cluster queue · waits for 1 GPU: 8 of 8 in use · starts in …``."""
    places = []
    if why.position:
        places.append(f"{ordinal(why.position)} in {why.position_in or 'the queue'}")
    if why.cluster_position:
        places.append(f"{ordinal(why.cluster_position)} in the cluster queue")
    # Some backends say the position in their sentence already.
    told = ", ".join(place for place in places if place not in why.summary)
    return joined(told, why.summary, _eta(why))


def _eta(why: Why) -> str:
    """When it is likely to start, and how one knows: ``starts in … min (from 37 admissions)``."""
    if not why.eta:
        return ""
    size, unit = (1, "s") if why.eta[1] < _MINUTES else (60, "min") if why.eta[1] < _HOURS else (3600, "h")
    low, high = (f"{seconds / size:.0f}" for seconds in why.eta)
    basis = f" (from {why.basis})" if why.basis else ""
    return f"starts in {'a moment' if high == '0' else f'{low}–{high} {unit}'}{basis}"


def asked(line: QuotaLine) -> str:
    """``asks for 2; 3 of 4 in use``."""
    return f"asks for {amount(line, line.requested)}; {used(line)} in use"


def used(line: QuotaLine) -> str:
    """``1 of 2``: what is used of what is allowed."""
    allowed = "" if line.nominal is None else f" of {amount(line, line.nominal)}"
    return f"{amount(line, line.used)}{allowed}"


def amount(line: QuotaLine, number: float) -> str:
    """A number in the resource's unit."""
    return format_bytes(number) if line.resource == "memory" else f"{number:g}"


def queue_row(queue: QueueInfo) -> tuple[str, ...]:
    """A queue's line in a table: name, backend, waiting, running, what is in use, description."""
    return (
        queue.name + (" (default)" if queue.default and queue.name != "default" else ""),
        queue.backend,
        str(queue.waiting),
        str(queue.running),
        ", ".join(f"{used(line)} {line.resource}" for line in queue.quota),
        queue.description + (" (stopped)" if queue.stopped else ""),
    )


def job_row(record: JobRecord, now: float | None = None) -> tuple[str, ...]:
    """A job's line in a table: id, state, queue, age, how long it ran, what is said of it."""
    told = record.message or record.reason
    return (record.id, str(record.state), record.queue or "", age(record, now), ran(record, now), told)


def other_row(record: JobRecord, now: float | None = None) -> tuple[str, ...]:
    """The line of another controller's job: as ``job_row``, with its user before what is said of it."""
    *facts, told = job_row(record, now)
    return (*facts, record.user, told)


def cancelling(before: JobRecord, now: JobRecord) -> str:
    """What asking the job to end did, from its record before and after."""
    if before.state.terminal:
        return f"had ended already: {before.state}"
    return "cancelled" if now.state is JobState.CANCELLED else "is being stopped"


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``3rd``, ``11th``."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def joined(*parts: str) -> str:
    """The parts that say something, with dots between them."""
    return " · ".join(part for part in parts if part)


#: Eighths of a block, from the lowest on.
_BLOCKS = "▁▂▃▄▅▆▇█"


def metric_line(metric: Metric) -> str:
    """``0.0313 at step 90 ▇▅▃▂▁``: the last value of a number over time, and its course."""
    value = "no number" if metric.value is None else f"{metric.value:.6g}"
    return " ".join(
        part for part in (value, f"at step {metric.step}" if metric.step else "", spark(metric.history)) if part
    )


def spark(values: Sequence[float | None], width: int = 24) -> str:
    """The course of some numbers as a line of blocks; empty of fewer than two. What is no number is a gap."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    shown = (
        values if len(values) <= width else [values[round(n * (len(values) - 1) / (width - 1))] for n in range(width)]
    )
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if value is None else _BLOCKS[round((value - low) * scale)] for value in shown)
