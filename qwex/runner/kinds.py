"""What each kind of source means, and how its end becomes an exit code."""

from __future__ import annotations

import builtins
import linecache
import os
import signal
import sys
import types

from . import cell, values
from .exits import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NamedTuple

    from .channel import Channel
    from .job import Job

    Namespace = dict[str, Any]
else:
    from .tuples import NamedTuple

__all__ = ["Ended", "run"]

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


class Ended(NamedTuple):
    """The worker's exit code, what it says about it, and the namespace that dies with it."""

    code: int
    outcome: Outcome = Outcome()
    namespace: dict[str, Any] = {}  # noqa: RUF012 - never written to


def run(job: Job, channel: Channel) -> Ended:
    """Run the source with its inputs and save its outputs; every exception becomes an ``error`` record."""
    try:
        if job.source.kind == "command":
            return _command(job)
        return _python(job, channel)
    except BaseException as error:
        from . import tracebacks

        if isinstance(error, tracebacks.Reported):
            error = error.error
        elif isinstance(error, values.OutputError):
            # Raised here and not by the job's code: there is no line of it to show, and what caused it is in the text.
            channel.send("error", **tracebacks.describe(error, rendered=[str(error)]))
            return Ended(1, Outcome("Exception", str(error)))
        else:
            channel.send("error", **tracebacks.describe(error))
        return Ended(1, Outcome("Exception", tracebacks.headline(error)))


def _python(job: Job, channel: Channel) -> Ended:
    inputs = values.load(job.inputs, job.blobs)
    code, namespace = _KINDS[job.source.kind](job, inputs, channel)
    if not code:
        names = ["return", *job.outputs] if job.source.kind == "function" else job.outputs
        for record in values.save(names, namespace, os.path.join(job.folder, "values")):
            channel.send("value", **record)
    return Ended(code, namespace=namespace)


def _cell(job: Job, inputs: Namespace, channel: Channel) -> tuple[int, Namespace]:
    cells, code = cell.begin(inputs, channel), 0
    try:
        if job.source.kind == "notebook":
            cell.run_all(job.source, cells, channel)
        else:
            cell.run(job.source, cells)
    except SystemExit as end:
        code = _exit_code(end)
    return code, cells.namespace


def _script(job: Job, inputs: Namespace, channel: Channel) -> tuple[int, Namespace]:
    """The frozen text as ``__main__``, whatever the file holds by now."""
    filename, text = job.filename, job.source.text
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=filename, __builtins__=builtins, __cached__=None, **inputs)
    sys.modules["__main__"] = module
    sys.argv = [job.source.name, *job.args]
    code = 0
    try:
        exec(compile(text, filename, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException:
        if sys.excepthook is not sys.__excepthook__:
            sys.excepthook(*sys.exc_info())
        raise
    return code, module.__dict__


def _function(job: Job, inputs: Namespace, channel: Channel) -> tuple[int, Namespace]:
    args, kwargs = inputs["__call__"]
    try:
        value = inputs["__function__"](*args, **kwargs)
        if isinstance(value, types.CoroutineType):
            import asyncio

            value = asyncio.run(value)
    except SystemExit as end:
        return _exit_code(end) or 1, {}
    return 0, {"return": value}


def _command(job: Job) -> Ended:
    """Become the program; only a program that cannot be started returns."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(job.args[0], job.args, os.environ)  # noqa: S606
    except FileNotFoundError:
        code, message = _NOT_FOUND, f"Command not found: {job.args[0]}{_apart(job.args[0])}"
    except (OSError, ValueError) as error:
        code, message = _NOT_EXECUTABLE, f"{job.args[0]} cannot be run: {getattr(error, 'strerror', None) or error}"
    print(message, file=sys.stderr)  # noqa: T201
    return Ended(code, Outcome("StartFailed", message))


def _apart(program: str) -> str:
    """How to write a command that was given as one word with spaces in it."""
    if len(program.split()) < 2:
        return ""
    return f". Without quotes these are words of their own: -- {program}. For a shell's line: -- sh -c '{program}'"


def _exit_code(end: SystemExit) -> int:
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        # Python hands C a long, and 255 for what is none.
        return end.code & 0xFF if -(2**63) <= end.code < 2**63 else 255
    print(end.code, file=sys.stderr)  # noqa: T201
    return 1


_KINDS: dict[str, Callable[[Job, dict[str, Any], Channel], tuple[int, dict[str, Any]]]] = {
    "cell": _cell,
    "notebook": _cell,
    "script": _script,
    "function": _function,
}
