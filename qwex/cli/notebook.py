"""``qwex notebook``: the notebook that a job runs, with its outputs so far, as a file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from qwex.cli import exits
from qwex.cli.command import Command, Flag, Given, Word
from qwex.cli.connect import client
from qwex.cli.screen import note, say
from qwex.errors import InvalidSpec
from qwex.state import JobState

__all__ = ["COMMAND"]

_FLAGS = (
    Flag("to", "--to", "where to save it; - prints it (default ID.ipynb here)", "-o", str, metavar="FILE"),
    Flag("force", "--force", "write over a file that is there", "-f"),
)


def _run(given: Given) -> int:
    connection = client()
    run_id, to = given["id"], given["to"]
    text = json.dumps(connection.notebook(run_id), indent=1, ensure_ascii=False) + "\n"
    if to == "-":
        sys.stdout.write(text)
        return exits.OK
    path = Path(to or f"{run_id}.ipynb")
    _save(path, text, over=given["force"] or _is_older(path, run_id))
    say(str(path))
    record = connection.job(run_id).record
    if not record.state.terminal:
        note(f"{run_id} is {record.state}; its notebook is as far as it is now", "dim")
    return exits.OK


def _is_older(path: Path, run_id: str) -> bool:
    """Whether the file is this job's notebook from when it had not ended."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))["metadata"]["qwex"]
        return bool(about["run_id"] == run_id and not JobState(about["state"]).terminal)
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _save(path: Path, text: str, *, over: bool) -> None:
    """Whole, or not at all; what is no plain file is written to as it is."""
    try:
        path = path.resolve()
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        if path.exists() and not over and path.read_text(encoding="utf-8", errors="replace") != text:
            message = f"{path} is there already; name another file, or write over it with --force"
            raise InvalidSpec.of("to", message)
        _replace(path, text)
    except OSError as error:
        raise InvalidSpec.of("to", f"{path} cannot be written: {error.strerror}") from None


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".qwex-{os.getpid()}.ipynb")
    try:
        part.write_text(text, encoding="utf-8")
        if path.exists():
            part.chmod(path.stat().st_mode)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


COMMAND = Command(
    "save a job's notebook, with its outputs so far",
    _run,
    (Word("id", "ID", "the job", complete="job"),),
    _FLAGS,
    examples=("qwex notebook report-7k3f9q", "qwex notebook report-7k3f9q --to out.ipynb"),
)
