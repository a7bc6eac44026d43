"""What the way to a dev machine adds to a cell: the same cell in a kernel here and in one through ssh, in turn.

``python benchmarks/kernels.py`` has a machine behind an ssh server of its own on this one, and ends it. That is the
whole way but for the network, and what a cluster's API server adds.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import machine

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / each) for each in ("shared", "cluster", "qwex/client", "qwex_kernel")]

from jupyter_client.manager import KernelManager  # noqa: E402
from leftovers import end_all  # noqa: E402
from sshmachine import Kernel, Machine  # noqa: E402

from qwex.client import kernelspecs  # noqa: E402
from qwex.client.ssh import doors  # noqa: E402

WARM, TIMES = 20, 200
#: Milliseconds that the way may add.
GOAL = 10.0
CELLS = {"1 + 1": 1, "print('x' * 1_000_000)": 10}


def start(name):
    """A kernel that is ready, and the seconds that took."""
    begun = time.perf_counter()
    manager = KernelManager(kernel_name=name)
    manager.start_kernel()
    kernel = Kernel(manager)
    kernel.connect()
    return kernel, time.perf_counter() - begun


def compare(code, times, kernels):
    """Both in turn, so that what else the machine does concerns both; the milliseconds that are added."""
    taken = [[], []]
    for at in range(WARM + times):
        for kernel, samples in zip(kernels, taken, strict=True):
            begun = time.perf_counter()
            assert kernel.run(code)[1] == "ok"
            if at >= WARM:
                samples.append((time.perf_counter() - begun) * 1000)
    here, there = map(statistics.median, taken)
    print(f"{code:24} {here:8.2f} ms {there:8.2f} ms  +{there - here:6.2f} ms  x{there / here:.1f}", flush=True)
    return there - here


def measure():
    """All comparisons; whether the goal is met."""
    kernels, seconds = zip(*map(start, ("python3", "qwex-machine-train")), strict=True)
    try:
        print(f"{'median':24} {'here':>11} {'machine':>11}")
        added = [compare(code, TIMES // fewer, kernels) for code, fewer in CELLS.items()]
        print(f"{'ready to run':24} {seconds[0]:8.2f} s  {seconds[1]:8.2f} s   +{seconds[1] - seconds[0]:6.2f} s")
    finally:
        for kernel in kernels:
            kernel.close()
    print(
        f"added to a cell: {added[0]:.2f} ms; the goal is at most {GOAL:.0f} ms: "
        f"{'met' if added[0] <= GOAL else 'MISSED'}"
    )
    return added[0] <= GOAL


def main():
    """Exit code 1 when the goal is missed."""
    print(f"{machine.describe()}, busy before: {machine.busy():.0%}\n")
    place = Path(tempfile.mkdtemp(prefix="qk", dir="/tmp"))
    os.environ.update({"JUPYTER_DATA_DIR": str(place / "data"), "JUPYTER_RUNTIME_DIR": str(place / "run")})
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    doors._opener = lambda provider: f"ssh_doors:{provider}"
    try:
        there = Machine(place)
        kernelspecs.install(there.folder, "train", sys.executable)
        return 0 if measure() else 1
    finally:
        end_all(place)
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
