"""The Python SDK and the client under it. Importing this module is cheap; each name is loaded when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qwex.client.api import AsyncClient
    from qwex.client.function import RemoteFunction, map, remote  # noqa: A004
    from qwex.client.job import AsyncJob, AsyncJobs
    from qwex.client.listing import Page
    from qwex.client.sdk import attach, jobs, queues, submit
    from qwex.client.sync import Client, Job, Jobs, as_completed

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "AsyncJobs",
    "Client",
    "Job",
    "Jobs",
    "Page",
    "RemoteFunction",
    "as_completed",
    "attach",
    "jobs",
    "map",
    "queues",
    "remote",
    "submit",
]

_HOMES = {
    "AsyncClient": "api",
    "Page": "listing",
    **dict.fromkeys(("RemoteFunction", "map", "remote"), "function"),
    **dict.fromkeys(("AsyncJob", "AsyncJobs"), "job"),
    **dict.fromkeys(("Client", "Job", "Jobs", "as_completed"), "sync"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'qwex.client' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"qwex.client.{_HOMES.get(name, 'sdk')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
