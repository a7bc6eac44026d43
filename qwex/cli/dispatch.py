"""From arguments to an exit code: parse, run, and the one place where errors are caught."""

from __future__ import annotations

import itertools
import os
import re
import sys
import warnings
from typing import TYPE_CHECKING

from qwex.cli import commands, exits, foreign, plain
from qwex.cli.screen import note, safe
from qwex.errors import NotFound, QwexError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.cli.command import Command, Given

__all__ = ["run"]

_ID = re.compile(r"[a-z0-9][a-z0-9-]*")


def run(argv: Sequence[str]) -> int:
    """Run the command that the arguments name; the exit code."""
    _prepare_streams()
    as_json = "--json" in itertools.takewhile(lambda word: word != "--", argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: note(f"warning: {safe(str(message))}")
            code = _run(argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        note("interrupted", over=True)
        return exits.INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; what is still buffered must not fail again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.PIPE
    except QwexError as error:
        sys.stdout.flush()
        exits.report(error, as_json=as_json)
        return exits.code_of(error)
    except Exception as error:
        if os.environ.get("QWEX_TRACEBACK"):
            raise
        sys.stdout.flush()
        exits.report(QwexError(_unexpected(error)), as_json=as_json)
        return exits.FAILED


def _unexpected(error: Exception) -> str:
    if isinstance(error, OSError):
        return safe(str(error))  # the system's own sentence names what and why
    return safe(f"{type(error).__name__}: {error}") + ". This is a fault in qwex; with QWEX_TRACEBACK=1 it shows where"


def _prepare_streams() -> None:
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - closed by who started it
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A job may print what this terminal's encoding cannot show.
            stream.reconfigure(errors="backslashreplace")


def _run(argv: Sequence[str]) -> int:
    if argv and argv[0] not in commands.NAMES and not argv[0].startswith("-"):
        brought = foreign.find(argv[0])
        if brought is not None:
            return brought(argv[1:])
    head, rest = _split(argv)
    parsed = _parse(head)
    if isinstance(parsed, int):
        return parsed
    command, given = parsed
    _check_ids(command, given)
    return command.run({**given, "rest": rest})


def _check_ids(command: Command, given: Given) -> None:
    """Refuse what cannot be the id of a job, and would be something else in a URL.

    Raises:
        NotFound: there can be no such job.
    """
    for word in command.words:
        named = given[word.name] if word.many else (given[word.name],)
        for text in named if word.complete in ("job", "alive") else ():
            if not _ID.fullmatch(text):
                raise NotFound(f"no job {safe(text)!r}. See them with: qwex list")


def _split(argv: Sequence[str]) -> tuple[Sequence[str], tuple[str, ...]]:
    """The arguments before ``--`` and those after it, for a command that takes the latter as they are."""
    found = commands.find(argv)
    if found is None or not found[0].rest or "--" not in argv:
        return argv, ()
    where = list(argv).index("--")
    return argv[:where], tuple(argv[where + 1 :])


def _parse(argv: Sequence[str]) -> tuple[Command, Given] | int:
    """The command and what it was given; an exit code where typer has answered already, as with ``--help``."""
    found = commands.find(argv)
    if found is not None and "_QWEX_COMPLETE" not in os.environ:
        command, words = found
        given = plain.parse(command, argv[words:])
        if given is not None:
            return command, given
    from qwex.cli import app

    return app.parse(argv)
