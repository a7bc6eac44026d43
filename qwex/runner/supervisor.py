"""The supervisor: forks the worker, ends what must end, and writes the exit record whatever happened.

One thread, one select loop; signals arrive through a wakeup socket.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time

from . import files, packages, processes, usage, wakeup, worker
from .channel import frame
from .eventfile import CLAIMED, EventFile
from .exits import Outcome, Stop, Usage, conclude, duration_text, read_stop
from .pod import EchoingEventFile, leave_last_words
from .recorder import NEVER, Recorder
from .textstream import widen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Supervisor", "occupy_standard_fds", "run"]

#: Seconds that processes left behind by an ended worker have between SIGTERM and SIGKILL, and after it to vanish.
_LEFTOVER_GRACE = 1.0
_DEFAULT_GRACE = 30.0
#: Systems differ in how long a select may wait.
_LONGEST_WAIT = 86400.0
#: Bytes; a process beyond it may hold a GPU, whose memory must be free before the next job.
_SMALL = 256 * 1024 * 1024
#: Seconds between attempts to write the exit record on a disk without any space, and in all.
_RETRY_EVERY, _PATIENCE = 0.5, 30.0
#: Seconds after which space for the last records is set aside; a job that is shorter hardly meets a disk filling up.
_RESERVE_AFTER = 1.0


def run(folder: str, *, echo: bool = False, last_words: str = "") -> int:
    """Run the attempt in ``folder`` in this process; the job's exit code, 0 when another process has claimed it."""
    occupy_standard_fds()
    with contextlib.suppress(PermissionError):  # already a session's leader
        os.setsid()
    supervisor = Supervisor()
    supervisor.last_words = last_words
    return supervisor.run(folder, EchoingEventFile if echo else EventFile)


def occupy_standard_fds() -> None:
    """Open fd 0 to 2 where the caller closed them, so that no pipe gets their numbers."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)


class Supervisor:
    """One attempt. The worker is forked at once and waits, so that a supervisor can be made ready ahead of its job."""

    def __init__(self, *close_in_worker: int) -> None:
        processes.adopt_orphans()
        self._wakeup, sender = wakeup.wakeup_pair()
        wakeup.catch(sender, signal.SIGCHLD, *wakeup.ENDING)
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        self._control, control_end = socket.socketpair()
        ours = [self._wakeup.fileno(), sender.detach(), out, err, self._control.fileno(), *close_in_worker]
        self._worker = worker.fork(control_end, out_end, err_end, close=ours)
        for end in (out_end, err_end, control_end.detach()):
            os.close(end)
        widen(out)
        widen(err)
        self._recorder = Recorder(out, err, self._control)
        self._oom_kills = processes.oom_kills()
        self._grace = _DEFAULT_GRACE
        self._status: int | None = None
        self._stop: Stop | None = None
        self._alone = False
        self._usage: Usage | None = None
        self._timeout = 0.0
        #: Whether somebody records what the job ran in.
        self._tracked = False
        self._meter: usage.Meter | None = None
        self._gpus: str | None = None
        self._measured = 0
        #: A file for the exit record, too.
        self.last_words = ""
        self._deadline = self._kill_at = self._give_up_at = self._reserve_at = self._measure_at = NEVER

    def run(self, folder: str, log: type[EventFile] = EventFile) -> int:
        """Claim the folder, let the worker go and see it to its end."""
        self._started = time.monotonic()
        try:
            self._log = self._recorder.log = log(folder)
        except CLAIMED:
            return self.abandon()
        self._folder = folder
        self._go()
        while not self._finished():
            self._step()
        return self._conclude()

    def abandon(self) -> int:
        """End without having had a job."""
        os.kill(self._worker, signal.SIGKILL)
        os.waitpid(self._worker, 0)
        return 0

    def _go(self) -> None:
        """Hand the job to the worker first: the start record is written while it begins."""
        try:
            job = self._read_job()
            self._control.sendall(frame(json.dumps({"folder": self._folder, "job": job}).encode()))
        except (OSError, ValueError, LookupError, TypeError) as error:
            self._recorder.outcome = Outcome("StartFailed", f"The job could not be started: {error}")
            os.kill(self._worker, signal.SIGKILL)
        self._control.setblocking(False)
        pid = os.getpid()
        start_time, host = processes.start_time(pid), os.uname().nodename
        version = ".".join(map(str, sys.version_info[:3]))
        self._log.write("start", pid=pid, start_time=start_time, python=sys.executable, version=version, host=host)
        self._reserve_at = self._started + _RESERVE_AFTER
        self._measure_at = self._started + usage.FIRST
        if self._tracked:
            self._log.write("packages", packages=packages.installed(), platform=sys.platform)

    def _read_job(self) -> dict[str, Any]:
        with open(os.path.join(self._folder, "job.json"), "rb") as file:
            job: dict[str, Any] = json.load(file)
        limits = job.get("limits") or {}
        self._tracked = bool(job.get("later"))
        self._gpus = job.get("env", {}).get("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES"))
        self._log.attempt = job["attempt"]
        self._log.max_bytes = limits.get("max_log") or sys.maxsize
        self._grace = _DEFAULT_GRACE if limits.get("grace") is None else limits["grace"]
        if limits.get("timeout"):
            self._timeout = limits["timeout"]
            self._deadline = self._started + self._timeout
        return job

    def _finished(self) -> bool:
        """Whether all processes of the job have ended, or do not end."""
        return self._status is not None and (self._alone or time.monotonic() >= self._give_up_at)

    def _foresee(self) -> None:
        """Take a worker for ended that has said how it ends, holds little memory and leaves nobody behind.

        The system takes longer to free its memory than a short cell takes to run, so that is not waited for.
        """
        if self._status is None and self._recorder.foreseen is not None and self._stop is None:
            code, used = self._recorder.foreseen
            if used.peak_memory < _SMALL and not processes.has_other_children(self._worker):
                self._status, self._usage, self._alone = code << 8, used, True

    def _step(self) -> None:
        """Wait for the next thing to happen and see to it."""
        times = (self._deadline, self._kill_at, self._give_up_at, self._reserve_at, self._measure_at)
        due = min(self._recorder.due(), *times)
        wait = None if due == NEVER else min(max(0.0, due - time.monotonic()), _LONGEST_WAIT)
        ready = select.select([self._wakeup, *self._recorder.watched()], [], [], wait)[0]
        if self._wakeup in ready:
            self._handle_signals(self._wakeup.recv(4096))
        self._recorder.handle(ready)
        self._foresee()
        now = time.monotonic()
        if now >= self._deadline:
            self._deadline = NEVER
            message = f"The job ran longer than {duration_text(self._timeout)}."
            self._tell_to_end(Stop("TimedOut", message, by_signal=False))
        if now >= self._kill_at:
            self._kill()
        if now >= self._reserve_at:
            self._reserve_at = NEVER
            self._log.reserve()
        if now >= self._measure_at:
            self._measure(now)

    def _measure(self, now: float) -> None:
        """Say what the job uses; the first look is there to compare the next with."""
        self._measure_at = now + usage.EVERY
        if self._meter is None:
            self._meter = usage.Meter(self._gpus)
            self._measure_at = now + usage.FIRST
            return
        self._measured += 1
        self._log.write("usage", step=self._measured, **self._meter.sample())

    def _handle_signals(self, numbers: bytes) -> None:
        if signal.SIGCHLD in numbers:
            self._reap()
        if any(number != signal.SIGCHLD for number in numbers):
            self._tell_to_end(read_stop(self._folder))

    def _tell_to_end(self, stop: Stop) -> None:
        """Begin the way SIGTERM, grace, SIGKILL, unless the job has ended or is on that way already."""
        if self._stop is None and self._status is None and self._recorder.outcome is None:
            self._stop = stop
            processes.signal_group(self._worker, signal.SIGTERM, signal.SIGCONT)
            self._kill_at = time.monotonic() + self._grace

    def _reap(self) -> None:
        """Collect ended children; once the worker is among them, end those it left behind."""
        try:
            while (reaped := os.waitpid(-1, os.WNOHANG))[0]:
                if reaped[0] == self._worker:
                    self._status = reaped[1]
            self._alone = False
        except ChildProcessError:
            self._alone = not processes.group_exists(self._worker)
        if self._status is None or self._alone:
            return
        if self._give_up_at == NEVER:
            self._end_leftovers()
        elif self._kill_at == NEVER:
            self._kill()

    def _end_leftovers(self) -> None:
        """Those who were told to end already keep what is left of their grace."""
        if self._stop is None:
            processes.signal_group(self._worker, signal.SIGTERM, signal.SIGCONT)
            processes.signal_descendants(signal.SIGTERM)
            self._kill_at = time.monotonic() + _LEFTOVER_GRACE
        elif self._kill_at == NEVER:
            self._kill()
        self._give_up_at = min(self._kill_at, time.monotonic() + self._grace) + _LEFTOVER_GRACE

    def _kill(self) -> None:
        self._kill_at = NEVER
        processes.signal_group(self._worker, signal.SIGKILL)
        processes.signal_descendants(signal.SIGKILL)

    def _conclude(self) -> int:
        self._recorder.finish()
        assert self._status is not None
        out_of_memory = processes.oom_kills() > self._oom_kills if self._status == signal.SIGKILL else False
        end = conclude(self._status, self._recorder.outcome, self._stop, out_of_memory=out_of_memory)
        used = self._usage or processes.usage(resource.RUSAGE_CHILDREN)
        duration = round(time.monotonic() - self._started, 6)
        self._keep_files()
        give_up_at = time.monotonic() + _PATIENCE
        terminated = self._stop is not None and self._stop.by_signal
        exit = {**end._asdict(), "terminated": terminated, **used._asdict(), "duration": duration}
        if self.last_words:
            leave_last_words(self.last_words, exit)
        while not self._log.write("exit", **exit):
            if time.monotonic() >= give_up_at:
                break
            time.sleep(_RETRY_EVERY)
        self._log.close()
        if self._usage is not None:
            # It has said how it ended; whatever its threads do now, nobody waits for that.
            os.kill(self._worker, signal.SIGKILL)
            os.waitpid(self._worker, 0)
        return end.code

    def _keep_files(self) -> None:
        """What the job left in its folder for them, however it ended."""
        records, left = files.kept(self._folder)
        for record in records:
            # Never into the space that is set aside for the job's end.
            if not self._log.add("value", **record):
                left.append(record["path"])
        if left:
            shown = ", ".join(left[:5]) + (", …" if len(left) > 5 else "")
            some = "1 file was" if len(left) == 1 else f"{len(left)} files were"
            message = f"{some} not kept (links, odd names, or more than {files.MOST}): {shown}"
            self._log.write("notice", level="warning", code="files-left", message=message)
