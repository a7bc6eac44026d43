"""What the figures were taken on, in words that say nothing about whose machine it is."""

from __future__ import annotations

import os
import platform
import sysconfig
import time
from pathlib import Path

__all__ = ["busy", "describe"]


def describe():
    """Cores, processor, memory, system, Python."""
    built = str(sysconfig.get_config_var("CONFIG_ARGS") or "")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "optimized_python": "--enable-optimizations" in built,
    }


def busy(seconds=1.0):
    """Share of the processors' time that was used, while this process slept."""
    total, idle = _times()
    time.sleep(seconds)
    total_after, idle_after = _times()
    return round(1 - (idle_after - idle) / (total_after - total), 2)


def _times():
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    return sum(fields), fields[3] + fields[4]


def _processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()
