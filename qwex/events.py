"""The event record: what a job's story is made of, and its form on disk and on the wire.

A record is one line of JSON whose **first key is "type"**, so that readers can route lines without parsing them. In a
job's log a record's id is its line number, from 1; ids are not stored in the line, so lines written in the job
travel to the log unchanged. The runner's own lines also carry ``seq``, their number within one attempt, which is how
a reader resumes without losing or doubling any.

Common keys: ``type``, ``ts`` (seconds since the epoch, UTC), ``attempt`` (from 1), ``seq`` (runner's lines only).

=================  =====================================================================================
type               further keys (output types carry nbformat 4's fields)
=================  =====================================================================================
``state``          state, reason, message, exit_code; of a retry: failures and losses, those of its budget so far
``start``          pid, start_time, python (path), version (of it), host: the process that runs the attempt; of a pod
                   image: what it runs in, with its digest
``stream``         name ("stdout" | "stderr"), text
``display``        data, metadata, transient (display_id)
``update_display`` data, metadata, transient
``clear_output``   wait
``result``         data, metadata, execution_count
``error``          ename, evalue, traceback (rendered lines), frames (filename, lineno, name, line)
``cell``           id, number (from 1), total: a notebook's cell begins; what follows is its output
``value``          name, type_name, size, digest, format, python: an output value is complete on disk; with a path: a
                   file that the job left in ``QWEX_FILES``
``metrics``        values (numbers by name), step: what the job's own code logs
``usage``          step, cpu (processors), memory (bytes), gpus (utilization in percent and memory of each): a sample
``packages``       packages (versions by name), platform: what the job's interpreter has, of jobs that are tracked
``notice``         level ("info" | "warning" | "error"), code, message: qwex speaking, not the job
``exit``           code, signal, reason, message, terminated (whether it was sent SIGTERM while it ran), peak_memory
                   (bytes), cpu_time (s), duration (s)
=================  =====================================================================================
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "MAX_RECORD_BYTES",
    "OUTPUT_TYPES",
    "Event",
    "encode",
    "is_type",
    "parse",
]

#: Cap of one record; what is cut says so.
MAX_RECORD_BYTES = 10_000_000

OUTPUT_TYPES = frozenset({"stream", "display", "update_display", "clear_output", "result", "error"})


@dataclass(frozen=True)
class Event:
    """One parsed record; ``data`` holds the keys that are not common to all types."""

    id: int
    type: str
    ts: float
    attempt: int = 1
    seq: int | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def get(self, key: str, default: Any = None) -> Any:
        """The key's value, or ``default``."""
        return self.data.get(key, default)

    def as_dict(self) -> dict[str, Any]:
        """The record as the API shows it, with its id."""
        common = {"id": self.id, "type": self.type, "ts": self.ts, "attempt": self.attempt}
        return {**common, **({} if self.seq is None else {"seq": self.seq}), **self.data}


def encode(type: str, ts: float, attempt: int, **data: Any) -> bytes:
    """One line, newline included, with ``type`` first."""
    record = {"type": type, "ts": round(ts, 6), "attempt": attempt, **data}
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def is_type(line: bytes, type: str) -> bool:
    """Whether the line is a record of that type, told from its first bytes."""
    return line.startswith(b'{"type":"%b"' % type.encode())


def parse(line: bytes | str, id: int) -> Event:
    """The record at line number ``id``.

    Raises:
        ValueError: the line is not a JSON object with ``type`` and ``ts``.
    """
    raw = json.loads(line)
    try:
        return Event(id, raw.pop("type"), raw.pop("ts"), raw.pop("attempt", 1), raw.pop("seq", None), raw)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not an event record: {line[:80]!r}") from error
