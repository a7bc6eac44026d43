"""What the API server is asked for each job. The controller's own parts, in this process, so that it can be counted."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from on_kueue.place import Namespace, script, until
from qwex import config
from qwex.controller.auth import Caller
from qwex.controller.backends import Backends
from qwex.controller.registry import Registry
from qwex.controller.service import Service
from qwex.controller.streams import Wanted
from qwex.controller.submission import Entry
from qwex.plugins import load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from qwex_kueue.apiserver import ApiServer

__all__ = ["part"]

ME = Caller("bench", is_local=True)
JOB = script("print(1)")


class Requests:
    """Counts what goes through an ``ApiServer``, by what it is for; its own count has them all."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.kinds: Counter[str] = Counter()
        for name in ("call", "websocket", "text", "lines"):
            setattr(server, name, self._counted(name, getattr(server, name)))

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            path = args[1] if name == "call" else args[0]
            verb = args[0] if name == "call" else name
            self.kinds[f"{verb} {_resource(path)}"] += 1
            return method(*args, **kwargs)

        return call

    def all(self) -> int:
        """Requests so far."""
        return self._server.requests


class Traffic:
    """The measures, on one service."""

    def __init__(self, service: Service, requests: Requests, wait: Callable[[Awaitable[Any]], Any]) -> None:
        self._service, self._requests, self._wait = service, requests, wait

    def unfollowed(self, size: int) -> dict[str, float]:
        """Nobody looks at the jobs; their output is fetched when they have ended."""
        return self._wait(self._count(size, follow=False))

    def followed(self, size: int) -> dict[str, float]:
        """Somebody follows each of them from the start."""
        return self._wait(self._count(size, follow=True))

    async def _count(self, size: int, *, follow: bool) -> dict[str, float]:
        requests = self._requests
        before, kinds = requests.all(), Counter(requests.kinds)
        gate = asyncio.Semaphore(4)
        await asyncio.gather(*(self._one(gate, follow=follow) for _ in range(size)))
        while self._service.live:
            await asyncio.sleep(0.05)
        spent = {kind: count / size for kind, count in (requests.kinds - kinds).items()}
        begun = sum(count for kind, count in (requests.kinds - kinds).items() if kind.startswith("lines"))
        return {"requests": (requests.all() - before) / size, "watches": begun, **spent}

    async def _one(self, gate: asyncio.Semaphore, *, follow: bool) -> None:
        async with gate:
            (done,) = await self._service.submit([Entry(JOB)], ME)
            if follow:
                async for _ in await self._service.events(done.record.id, Wanted(), ME):
                    pass
            while not (record := await self._service.get(done.record.id)).state.terminal:
                await asyncio.sleep(0.02)
            assert record.state.value == "SUCCEEDED", record


def _resource(path: str) -> str:
    parts = path.split("?")[0].split("/namespaces/")[-1].split("/")
    if len(parts) > 3:
        return f"{parts[1]}/{parts[3]}"
    return parts[1] if len(parts) > 1 else parts[0]


async def _service() -> tuple[Service, ApiServer]:
    settings = config.load()
    settings.folder.mkdir(parents=True)
    backends = Backends(load(settings.plugins), settings, Registry())
    backend: Any = await backends.get("kueue")
    service = Service(settings, backends)
    service.start()
    return service, backend._server


@contextlib.contextmanager
def part(namespace: Namespace) -> Iterator[dict[str, Any]]:
    """The measures by name."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="service", daemon=True).start()

    def wait(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(240)

    with namespace.home():
        service, server = wait(_service())
        try:
            requests = Requests(server)
            measures = Traffic(service, requests, wait)
            measures.unfollowed(1)  # it brings the runner
            yield {"unfollowed": measures.unfollowed, "followed": measures.followed}
        finally:
            wait(service.close())
            loop.call_soon_threadsafe(loop.stop)
            until(lambda: not loop.is_running(), "the loop to end", 5)
