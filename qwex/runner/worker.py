"""The worker: a fork of the supervisor that waits for its job and then becomes it."""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import resource
import select
import signal
import sys

from . import cell, kinds, metrics, outlets, processes
from . import job as jobs
from .channel import Channel
from .exits import START_FAILED, Outcome
from .kinds import Ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from typing import Any, NoReturn

    from .job import Job

__all__ = ["fork"]

#: An end of the runner itself, sysexits' EX_SOFTWARE.
_BROKEN = 70


def fork(control: socket.socket, out: int, err: int, *, close: Sequence[int]) -> int:
    """Fork the worker, which never returns from here, and return its pid. ``close`` are the supervisor's own fds."""
    supervisor = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    pid = os.fork()
    if not pid:
        try:
            _become_worker(supervisor, out, err, close)
            if not select.select([control], [], [], 0)[0]:
                cell.rehearse()
            _work(Channel(control))
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(_BROKEN)
    # In both: whoever comes first, the group exists before anyone signals it.
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def _become_worker(supervisor: int, out: int, err: int, close: Sequence[int]) -> None:
    os.setpgid(0, 0)
    processes.die_with_parent(supervisor)
    processes.reset_signals()
    null = os.open(os.devnull, os.O_RDONLY)
    for fd, number in ((null, 0), (out, 1), (err, 2)):
        os.dup2(fd, number)
    for fd in (null, out, err, *close):
        os.close(fd)


def _work(channel: Channel) -> NoReturn:
    outlets.install(channel)
    metrics.provide(channel)
    request = channel.receive()
    if request is None:
        os._exit(0)
    worker = os.getpid()
    ended = _run(jobs.Job.read(json.loads(request)), channel)
    if os.getpid() != worker:  # a fork made by the job came back here
        os._exit(ended.code)
    _finish(channel, ended)


def _run(job: Job, channel: Channel) -> Ended:
    try:
        jobs.enter(job)
    except (OSError, ValueError) as error:
        return Ended(START_FAILED, Outcome("StartFailed", f"The job could not be started: {error}"))
    return kinds.run(job, channel)


def _finish(channel: Channel, ended: Ended) -> NoReturn:
    """End as Python does: wait for threads, run exit functions, write out. Then say how it went."""
    if threading := sys.modules.get("threading"):
        threading._shutdown()
    # Where Python leaves it for those who look at how a process ends; IPython leaves handled ones there, too.
    sys.last_value = getattr(sys, "last_value", None) or SystemExit(ended.code) if ended.code else None
    atexit._run_exitfuncs()
    # Last of all, what was left open is closed, and so written out.
    ended.namespace.clear()
    gc.collect()
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name, None)  # the job may have put something else there, or nothing
        if hasattr(stream, "flush") and not getattr(stream, "closed", False):
            stream.flush()
    processes.flush_c_stdio()
    usage = processes.usage(resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    channel.send("outcome", code=ended.code, **ended.outcome._asdict(), **usage._asdict())
    os._exit(ended.code)
