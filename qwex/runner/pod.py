"""What is different in a pod: the job's description is mounted beside its folder, and two containers share that.

Both start at about the same time in either order, as the same user, and a container may be started again; so each
prepares the folder, and whoever comes second finds nothing to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from .eventfile import EventFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["EchoingEventFile", "leave_last_words", "leave_note", "prepare", "wait_for"]

#: Seconds that a container has to hear signals, and between two looks.
_READY, _LOOK = 10.0, 0.02
#: Bytes that Kubernetes keeps of a container's termination message.
_LAST_WORDS = 4000

_PRINTED = tuple(b'{"type":"%b"' % kind for kind in (b"stream", b"error", b"result", b"display"))


def prepare(folder: str, description: str) -> None:
    """Make ``folder`` ready for a runner, and for an agent beside it. Safe to repeat, also at the same time."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        _describe(os.path.join(folder, "job.json"), os.path.abspath(description))
    with contextlib.suppress(FileExistsError):
        os.mkfifo(os.path.join(folder, "bell"), 0o600)


def _describe(path: str, description: str) -> None:
    """The description, with the number of the attempt where a file ``attempt`` beside it has another.

    A pod that follows a preempted one is made from the same description.
    """
    try:
        with open(os.path.join(description, "attempt"), encoding="ascii") as file:
            attempt = int(file.read())
    except FileNotFoundError:
        os.symlink(os.path.join(description, "job.json"), path)
        return
    import tempfile

    with open(os.path.join(description, "job.json"), "rb") as file:
        job = json.load(file)
    fd, part = tempfile.mkstemp(dir=os.path.dirname(path))
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as copy:
            json.dump({**job, "attempt": attempt}, copy)
        os.link(part, path)
    finally:
        os.unlink(part)


def leave_note(path: str, text: str) -> None:
    """Write a small file, whole or not at all: on a full disk it is missing."""
    with contextlib.suppress(OSError):
        with open(path + ".part", "w", encoding="ascii") as file:
            file.write(text)
        os.replace(path + ".part", path)


def wait_for(path: str) -> int:
    """Return once the file is there that a container's process makes when it hears signals; 1 if it does not come.

    The system drops a signal that the first process of a container has no handler for yet: a pod that is ended in its
    first moments would run on, until it is killed.
    """
    deadline = time.monotonic() + _READY
    while not os.path.exists(path):
        if time.monotonic() >= deadline:
            return 1
        time.sleep(_LOOK)
    return 0


def leave_last_words(path: str, exit: dict[str, Any]) -> None:
    """Write the exit record where the container's status shows it (its termination message)."""
    said = dict(exit)
    while len(data := json.dumps(said).encode()) > _LAST_WORDS:
        said["message"] = said["message"][: len(said["message"]) // 2]
    with contextlib.suppress(OSError), open(path, "wb") as file:
        file.write(data)


class EchoingEventFile(EventFile):
    """Prints what each record shows, too, so that ``kubectl logs`` reads like a terminal.

    In the log's order, and as the log has it: bytes that are no text are replaced. Also what the log had no place for.
    """

    def append(self, body: bytes) -> bool:
        """Append a record, and print what it shows."""
        kept = super().append(body)
        if body.startswith(_PRINTED):
            _print(json.loads(body))
        return kept


def _print(record: dict[str, Any]) -> None:
    """Whatever becomes of this, the job goes on; only a reader that does not read can hold it up."""
    error = record["type"] == "error" or record.get("name") == "stderr"
    data = memoryview(_text(record).encode("utf-8", "replace"))
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(2 if error else 1, data) :]


def _text(record: dict[str, Any]) -> str:
    if record["type"] == "stream":
        return str(record["text"])
    if record["type"] == "error":
        return "\n".join(record.get("traceback") or [f"{record['ename']}: {record['evalue']}"]) + "\n"
    plain = record["data"].get("text/plain", "")
    text = "".join(plain) if isinstance(plain, list) else str(plain)
    return text + "\n" if text else ""
