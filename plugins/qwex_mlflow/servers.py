"""The tracking servers in use, one of each, and the threads on which they are spoken to."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from qwex_mlflow.rest import Rest
from qwex_mlflow.runs import Runs
from qwex_mlflow.settings import is_remote
from qwex_mlflow.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from qwex_mlflow.settings import Place

__all__ = ["Servers"]

T = TypeVar("T")
#: For each server: as many as tell it of jobs, and some for those who ask.
_THREADS = 6


class Servers:
    """Runs by the server's address; what has to wait for one waits on a thread that is there for this server alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_place: dict[Place, Runs] = {}
        self._by_uri: dict[str, Runs] = {}
        self._threads: dict[Runs, Threads] = {}

    def at(self, place: Place) -> Runs:
        """The server of a place."""
        found = self._by_place.get(place)
        if found is None:
            found = self._by_place[place] = Runs(self._transport(place))
            self._threads[found] = Threads(_THREADS, "mlflow")
        self._by_uri[found.transport.uri] = found
        return found

    def known(self, uri: str) -> Runs | None:
        """The server at an address, where a job has led to it before."""
        return self._by_uri.get(uri)

    def __iter__(self) -> Iterator[Runs]:
        return iter(list(self._by_uri.values()))

    async def ask(self, runs: Runs, what: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """The result of a call that blocks while a server is asked."""
        return await self._threads[runs].ask(partial(what, *arguments, **named))

    async def close(self) -> None:
        """Let go of connections and helpers."""
        for threads in self._threads.values():
            threads.close()
        for runs in self._by_place.values():
            await asyncio.to_thread(runs.transport.close)

    def _transport(self, place: Place) -> Any:
        if is_remote(place.uri):
            return Rest(place)
        from qwex_mlflow.local import LocalStore

        return LocalStore(place.uri, self._folder)
