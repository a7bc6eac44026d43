"""What the operating system knows about processes: identity, descendants, ends. Linux first, POSIX otherwise."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys

from .exits import Usage

__all__ = [
    "adopt_orphans",
    "descendants",
    "die_with_parent",
    "flush_c_stdio",
    "group_exists",
    "has_other_children",
    "oom_kills",
    "reset_signals",
    "signal_descendants",
    "signal_group",
    "start_time",
    "usage",
]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)


def start_time(pid: int) -> int | str:
    """With ``pid`` the identity of a process: field 22 of ``/proc/PID/stat``, elsewhere the text of ``ps``."""
    if sys.platform.startswith("linux"):
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rsplit(b")", 1)[1].split()[19])
    import subprocess

    ps = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return ps.stdout.strip()


def adopt_orphans() -> None:
    """Make orphaned descendants children of this process, daemons too (Linux; elsewhere they go to init)."""
    if sys.platform.startswith("linux"):
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """Let the kernel end this process when its parent ends (Linux)."""
    if sys.platform.startswith("linux"):
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def flush_c_stdio() -> None:
    """Write out what C code printed."""
    _LIBC.fflush(None)


def reset_signals() -> None:
    """Give a forked process Python's own signal handling."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def signal_group(group: int, *numbers: int) -> None:
    """Send signals to a process group that may be gone."""
    for number in numbers:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def group_exists(group: int) -> bool:
    """Whether the process group has a member that this user may signal."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def signal_descendants(number: int) -> None:
    """Send a signal to every descendant of this process (Linux)."""
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def usage(*whose: int) -> Usage:
    """What these have used together, as ``resource`` names them."""
    used = [resource.getrusage(who) for who in whose]
    peak = max(one.ru_maxrss for one in used) * (1 if sys.platform == "darwin" else 1024)
    return Usage(peak, round(sum(one.ru_utime + one.ru_stime for one in used), 6))


def has_other_children(child: int) -> bool:
    """Whether anything but ``child``, itself childless, is below this process; true where that cannot be known."""
    # In this order: what a child that ends leaves behind comes to this process.
    below = _children(child)
    return below != [] or _children(os.getpid()) != [child]


def descendants(pid: int) -> list[int]:
    """All processes below that one; none where the system does not tell."""
    children = _children(pid) or []
    return children + [below for child in children for below in descendants(child)]


def _children(pid: int) -> list[int] | None:
    """Those of all its threads; None where the system does not tell."""
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                children += [int(child) for child in file.read().split()]
    except OSError:
        return None
    return children


def oom_kills(cgroup_file: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> int:
    """How often the kernel has killed in this process's control group for want of memory; 0 where unknown."""
    for path in _oom_files(cgroup_file, root):
        with contextlib.suppress(OSError), open(path) as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
    return 0


def _oom_files(cgroup_file: str, root: str) -> list[str]:
    """Version 1's file where the memory controller is its own, then version 2's; inside a container the root's."""
    files: list[str] = []
    with contextlib.suppress(OSError), open(cgroup_file) as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if "memory" in controllers.split(","):
                files = [f"{root}/memory{path}/memory.oom_control", f"{root}/memory/memory.oom_control", *files]
            elif not controllers:
                files += [f"{root}{path}/memory.events", f"{root}/memory.events"]
    return files
