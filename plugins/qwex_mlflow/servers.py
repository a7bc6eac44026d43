"""The tracking servers in use, one of each, and the threads on which they are spoken to."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from qwex_mlflow.rest import Rest
from qwex_mlflow.runs import Runs
from qwex_mlflow.settings import is_remote

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qwex_mlflow.settings import Place

__all__ = ["Servers"]

T = TypeVar("T")
_THREADS = 4


class Servers:
    """Runs by the server's address; what has to wait for one waits on a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_place: dict[Place, Runs] = {}
        self._by_uri: dict[str, Runs] = {}
        self._threads = ThreadPoolExecutor(_THREADS, "mlflow")

    def at(self, place: Place) -> Runs:
        """The server of a place."""
        found = self._by_place.get(place)
        if found is None:
            found = self._by_place[place] = Runs(self._transport(place))
        self._by_uri[place.uri] = found
        return found

    def known(self, uri: str) -> Runs | None:
        """The server at an address, where a job has led to it before."""
        return self._by_uri.get(uri)

    def __iter__(self) -> Any:
        return iter(list(self._by_uri.items()))

    async def ask(self, what: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """The result of a call that blocks."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(what, *arguments, **named))

    async def close(self) -> None:
        """Let go of connections and helpers."""
        for runs in self._by_place.values():
            await asyncio.to_thread(runs.transport.close)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _transport(self, place: Place) -> Any:
        if is_remote(place.uri):
            return Rest(place)
        from qwex_mlflow.local import LocalStore

        return LocalStore(place.uri, self._folder)
