"""qwex: a notebook cell, a script or a function becomes a queued job and comes back as if it had run here.

Importing this module is cheap; every name below is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qwex.client import AsyncClient, Client, Job, Jobs, as_completed, attach, jobs, map, queues, remote, submit
    from qwex.errors import QwexError
    from qwex.hookspecs import hookimpl
    from qwex.metrics import log_metrics
    from qwex.spec import JobSpec
    from qwex.state import JobState

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "Client",
    "Job",
    "JobSpec",
    "JobState",
    "Jobs",
    "QwexError",
    "as_completed",
    "attach",
    "hookimpl",
    "jobs",
    "log_metrics",
    "map",
    "queues",
    "remote",
    "submit",
]

_HOMES = {
    "JobSpec": "qwex.spec",
    "JobState": "qwex.state",
    "QwexError": "qwex.errors",
    "hookimpl": "qwex.hookspecs",
    "log_metrics": "qwex.metrics",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'qwex' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES.get(name, "qwex.client")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
