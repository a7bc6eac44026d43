"""What a job uses while it runs: processors, memory and GPUs, of itself alone and not of the machine.

In a container that is what its control group counts (version 2), elsewhere what its processes do. GPUs are asked by
NVML, NVIDIA's own library, which comes with the driver; the calls are those of its reference, nvml.h.
"""

from __future__ import annotations

import _thread
import contextlib
import ctypes
import os
import resource
import time

from . import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["EVERY", "FIRST", "Meter"]

#: Seconds until the first look, and between two.
FIRST, EVERY = 2.0, 10.0
_CGROUP = "/sys/fs/cgroup"
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Meter:
    """Looks now and then; the supervisor's own use is not counted."""

    def __init__(self, visible: str | None, cgroup: str = _CGROUP) -> None:
        """``visible`` is the job's CUDA_VISIBLE_DEVICES."""
        self._cgroup = cgroup if os.path.exists(f"{cgroup}/memory.current") else ""
        self._before = (time.monotonic(), self._cpu_seconds(processes.descendants(os.getpid())))
        self._gpus = _Gpus(visible)

    def sample(self) -> dict[str, Any]:
        """``cpu`` in processors since the last look, ``memory`` in bytes, ``gpus`` with ``utilization`` in percent."""
        pids = processes.descendants(os.getpid())
        now = (time.monotonic(), self._cpu_seconds(pids))
        (before, used), self._before = self._before, now
        cpu = max(now[1] - used, 0.0) / max(now[0] - before, 1e-3)
        gpus = self._gpus.sample()
        return {"cpu": round(cpu, 3), "memory": self._memory(pids), **({"gpus": gpus} if gpus else {})}

    def _cpu_seconds(self, pids: list[int]) -> float:
        if self._cgroup:
            with contextlib.suppress(OSError, ValueError, KeyError), open(f"{self._cgroup}/cpu.stat") as file:
                return int(dict(line.split() for line in file)["usage_usec"]) / 1e6
        reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
        ticks = sum(sum(map(int, fields[11:15])) for fields in map(_stat, pids) if fields)
        return ticks / _TICK + reaped.ru_utime + reaped.ru_stime

    def _memory(self, pids: list[int]) -> int:
        """Without what the system only keeps as long as nobody else needs the space."""
        if self._cgroup:
            with contextlib.suppress(OSError, ValueError, KeyError):
                with open(f"{self._cgroup}/memory.current") as file:
                    total = int(file.read())
                with open(f"{self._cgroup}/memory.stat") as file:
                    return max(total - int(dict(line.split() for line in file)["inactive_file"]), 0)
        return sum(int(fields[21]) for fields in map(_stat, pids) if fields) * _PAGE


def _stat(pid: int) -> list[bytes]:
    """The fields of ``/proc/PID/stat`` from the third on (proc(5)); none of a process that is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Gpus:
    """The job's GPUs; none where there is no driver, or none is the job's.

    Asked on a thread of their own: a driver that hangs keeps nobody but that thread.
    """

    def __init__(self, visible: str | None) -> None:
        self._library: Any = None
        self._visible = visible
        self._latest: list[dict[str, int]] = []
        if visible != "":
            with contextlib.suppress(OSError, AttributeError):
                self._library = ctypes.CDLL("libnvidia-ml.so.1")
                _thread.start_new_thread(self._watch, ())

    def sample(self) -> list[dict[str, int]]:
        """Of each GPU that tells ``utilization`` in percent and ``memory`` in bytes, as last seen."""
        return self._latest

    def _watch(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            if self._library.nvmlInit_v2():
                return
            handles = self._found(self._visible)
            while handles:
                self._latest = [used for handle in handles if (used := self._used(handle))]
                time.sleep(EVERY / 2)

    def _found(self, visible: str | None) -> list[ctypes.c_void_p]:
        """Those that CUDA shows the job: numbers, or ids as ``GPU-…``; all where nothing is said."""
        count = ctypes.c_uint()
        self._library.nvmlDeviceGetCount_v2(ctypes.byref(count))
        named = visible.split(",") if visible else [str(number) for number in range(count.value)]
        return [handle for name in named if (handle := self._handle(name.strip()))]

    def _handle(self, name: str) -> ctypes.c_void_p | None:
        handle = ctypes.c_void_p()
        if name.isdecimal():
            failed = self._library.nvmlDeviceGetHandleByIndex_v2(int(name), ctypes.byref(handle))
        else:
            failed = self._library.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(handle))
        return None if failed else handle

    def _used(self, handle: ctypes.c_void_p) -> dict[str, int]:
        utilization, memory = _Utilization(), _Memory()
        if self._library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(utilization)):
            return {}
        if self._library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
            return {}
        return {"utilization": utilization.gpu, "memory": memory.used}
