"""Which systems are measured, what of each, how often, and which of them in turn with which."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SYSTEMS", "WINDOWS", "System", "Turn", "Window"]


class System(NamedTuple):
    """A system: its drivers' script with arguments, and what must be installed beside Python for it."""

    label: str
    script: str
    requirements: tuple[str, ...] = ()


class Turn(NamedTuple):
    """A measure of a system: asked ``rounds`` times for ``times`` samples, each time after ``warm`` uncounted runs.

    ``quick`` rounds in a short run, none if 0. The measure ``cold`` is a driver's whole life up to the result of
    ``of``; ``memory`` is what its processes hold.
    """

    system: str
    measure: str
    rounds: int = 7
    quick: int = 1
    times: int = 1
    warm: int = 0
    size: int = 0
    of: str = ""


class Window(NamedTuple):
    """Systems that are alive together and take turns; ratios are taken within a window."""

    name: str
    turns: tuple[Turn, ...]


SYSTEMS = {
    "floor": System("floor", "floor.py"),
    "qwex": System("qwex", "qwex_jobs.py"),
    "qwex-cold": System("qwex", "qwex_cold.py"),
    "qwex-kernel": System("qwex", "qwex_kernel.py"),
    "qwex-backlog": System("qwex", "qwex_backlog.py"),
    "qwex-output": System("qwex", "qwex_output.py"),
    "parsl-threads": System("parsl, threads", "parsl_apps.py threads", ("parsl>=2026.10",)),
    "parsl-htex": System("parsl, HTEX", "parsl_apps.py htex", ("parsl>=2026.10",)),
    "submitit": System("submitit", "submitit_local.py", ("submitit>=1.5",)),
    "papermill": System("papermill", "notebooks.py", ("papermill>=2.7", "ipykernel>=7.4")),
    "ray-tasks": System("Ray tasks", "ray_tasks.py", ("ray[default]>=2.60",)),
    "ray-jobs": System("Ray Jobs", "ray_jobs.py", ("ray[default]>=2.60",)),
    "jupyter-scheduler": System("jupyter-scheduler", "scheduler.py", ("jupyter-scheduler>=2.12", "jupyterlab>=4.6")),
}
#: Folders of the environments, where two systems share one.
ENVIRONMENTS = {"parsl-threads": "parsl", "parsl-htex": "parsl", "ray-tasks": "ray", "ray-jobs": "ray"}

#: In every window, so that each peer has a qwex and a Python taken in turn with it.
_REFERENCE = (
    Turn("floor", "python", times=3, warm=1),
    Turn("qwex", "cell", times=3, warm=1),
)
_BATCHES = (
    Turn("floor", "batch-python", 3),
    Turn("qwex", "batch-cells", 5, warm=1),
    Turn("qwex", "batch-functions", 5, warm=1),
)

WINDOWS = (
    Window(
        "near the floor",
        (
            Turn("floor", "fork", 10, 2, times=3, warm=1),
            Turn("floor", "shell", 10, 2, times=3, warm=1),
            Turn("floor", "pass", 10, 2, times=3, warm=1),
            Turn("floor", "python", 10, 2, times=3, warm=1),
            Turn("qwex", "cell", 10, 2, times=3, warm=1),
            Turn("qwex", "function", 10, 2, times=3, warm=1),
            Turn("parsl-threads", "single", 10, 2, times=3, warm=1),
            Turn("parsl-htex", "single", 10, 2, times=3, warm=1),
            Turn("parsl-threads", "shared", 10, 1, times=3, warm=1),
            Turn("floor", "batch-fork", 7),
            Turn("floor", "batch-python", 7),
            Turn("qwex", "batch-cells", 7, warm=1),
            Turn("qwex", "batch-functions", 7, warm=1),
            Turn("parsl-threads", "batch", 7),
            Turn("parsl-htex", "batch", 7),
            Turn("parsl-htex", "memory", 1),
            Turn("qwex", "memory", 1),
        ),
    ),
    Window(
        "submitit and papermill",
        (
            *_REFERENCE,
            *_BATCHES,
            Turn("submitit", "single-used", 7),
            Turn("submitit", "single-fast", 7),
            Turn("submitit", "batch-used", 3, 0),
            Turn("submitit", "batch-fast", 3, 0),
            Turn("papermill", "single-used", 7),
            Turn("papermill", "single-fast", 7),
            Turn("papermill", "batch-used", 3, 0),
            Turn("papermill", "batch-fast", 3, 0),
        ),
    ),
    Window(
        "Ray tasks",
        (
            *_REFERENCE,
            *_BATCHES,
            Turn("ray-tasks", "single-used", 7),
            Turn("ray-tasks", "single-fast", 7, 0),
            Turn("ray-tasks", "shared", 7, times=3, warm=1),
            Turn("ray-tasks", "batch", 3, 0),
            Turn("ray-tasks", "memory", 1),
        ),
    ),
    Window(
        "Ray Jobs",
        (
            *_REFERENCE,
            *_BATCHES,
            Turn("ray-jobs", "single-used", 5),
            Turn("ray-jobs", "single-fast", 5),
            Turn("ray-jobs", "batch", 2, 0),
            Turn("ray-jobs", "memory", 1),
        ),
    ),
    Window(
        "jupyter-scheduler",
        (
            *_REFERENCE,
            *_BATCHES,
            Turn("jupyter-scheduler", "single", 5),
            Turn("jupyter-scheduler", "memory", 1),
            Turn("jupyter-scheduler", "batch", 2, 0),
        ),
    ),
    Window(
        "accepting",
        (
            Turn("floor", "commits-full", 5, 2, size=1000),
            Turn("floor", "commits-normal", 5, 1, size=1000),
            Turn("parsl-htex", "accept", 3, 0, size=1000),
            Turn("ray-tasks", "accept", 3, 0, size=1000),
            Turn("qwex-backlog", "batches", 3, size=10_000),
            Turn("qwex-backlog", "one-by-one", 3, size=10_000),
        ),
    ),
    Window(
        "command line",
        (
            Turn("qwex-backlog", "batches", 1, size=10_000),
            Turn("qwex-backlog", "cli", 15, 3),
        ),
    ),
    Window(
        "cold",
        (
            Turn("qwex-cold", "cell", 5),
            Turn("submitit", "cold", 5, of="single-fast"),
            Turn("parsl-threads", "cold", 5, of="single"),
            Turn("parsl-htex", "cold", 3, 0, of="single"),
            Turn("ray-tasks", "cold", 3, 0, of="single-used"),
            Turn("jupyter-scheduler", "cold", 3, 0, of="single"),
        ),
    ),
    Window(
        "output",
        (
            Turn("floor", "pipe", 5, size=100),
            Turn("qwex-output", "follow", 5, size=100),
            Turn("qwex-output", "blocks", 3, size=100),
            Turn("qwex-output", "line", 5),
            Turn("qwex-output", "dense", 3),
        ),
    ),
    Window(
        "in a kernel",
        (
            Turn("qwex-kernel", "imports", 7, 2),
            Turn("qwex-kernel", "cell", 7, 2, times=3, warm=1),
            Turn("qwex-kernel", "plain", 7, 2, times=3, warm=1),
        ),
    ),
)
