"""The providers of machines in use: each made and opened when it is first needed, and watched from then on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from qwex.controller.machines.waiting import ended
from qwex.errors import NotFound
from qwex.machine import MachineContext, MachineProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence

    from qwex.config import Settings
    from qwex.controller.backends import Backends
    from qwex.machines import MachineStatus

__all__ = ["Providers"]

log = logging.getLogger(__name__)

#: Seconds before a watch that failed is begun again: first and longest.
_PAUSE = (0.5, 60.0)
#: Seconds that a provider may take to close.
_CLOSE_SECONDS = 10.0


class Providers:
    """Every provider by name; what their watches say goes to ``on_status``."""

    def __init__(self, settings: Settings, backends: Backends) -> None:
        self._settings = settings
        self._backends = backends
        self._plugins = backends.plugins
        self._opened: dict[str, MachineProvider[Any]] = {}
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._watches: dict[str, asyncio.Task[None]] = {}
        self.on_status: Callable[[str, str, MachineStatus], Awaitable[None]]
        #: A watch begins once more: what changed meanwhile nobody has told.
        self.on_again: Callable[[str], Coroutine[Any, Any, None]]

    @property
    def names(self) -> Sequence[str]:
        """Of all that plugins bring."""
        return [name for name, _ in self._plugins.machine_providers]

    @property
    def known_default(self) -> str:
        """As ``default``; empty where there is none."""
        own = str(self._settings.default_backend)
        return own if own in self.names else ""

    @property
    def default(self) -> str:
        """The provider of machines that name none.

        Raises:
            NotFound: the default backend has no machines; names the providers that there are.
        """
        if own := self.known_default:
            return own
        known = self.names
        if not known:
            raise NotFound("no plugin here has machines; see: qwex plugins")
        # A laptop has the cluster's plugin, too, and no cluster: nothing is guessed.
        there = f"Name the place: {', '.join(known)} (qwex machine create --on {known[0]})"
        raise NotFound(f"the default backend {self._settings.default_backend} has no dev machines. {there}")

    async def get(self, name: str | None) -> MachineProvider[Any]:
        """The provider, opened and watched; without a name the default one.

        Raises:
            NotFound: no plugin brings it.
            PluginError: its plugin could not be loaded.
            QwexError: it could not be opened.
        """
        name = name or self.default
        async with self._opening[name]:
            if name not in self._opened:
                self._opened[name] = await self._made(name)
                self._watches[name] = asyncio.create_task(self._watch(self._opened[name]))
        return self._opened[name]

    async def default_queue(self, name: str) -> str | None:
        """The queue of its machines that name none, which is that of such jobs; None where there is none."""
        return await self._backends.default_queue(await self._backends.get(name))

    async def watch_no_more(self) -> None:
        """Hear nothing more of any provider."""
        await ended(self._watches.values())

    async def close(self) -> None:
        """Let go of every provider; machines go on."""
        await self.watch_no_more()
        for provider in self._opened.values():
            try:
                await asyncio.wait_for(provider.close(), _CLOSE_SECONDS)
            except Exception:
                # Whatever one does at its end, the others are closed.
                log.exception("closing the provider %s", provider.name)

    async def _made(self, name: str) -> MachineProvider[Any]:
        kind = self._plugins.machine_provider(name)
        backend = await self._backends.get(name) if name in self._plugins.backends else None
        folder = self._settings.folder / "providers" / name
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        provider = kind(MachineContext(folder, self._settings.section(name), backend))
        try:
            await provider.open()
        except BaseException:
            # What it has begun would go on beside the one that is made next.
            with contextlib.suppress(Exception):
                await provider.close()
            raise
        return provider

    async def _watch(self, provider: MachineProvider[Any]) -> None:
        pause = _PAUSE[0]
        asking: tuple[asyncio.Task[None], ...] = ()
        try:
            while True:
                try:
                    async with _changes(provider) as changes:
                        async for native_id, status in changes:
                            pause = _PAUSE[0]
                            await self.on_status(provider.name, native_id, status)
                    log.warning("the watch of %s's machines ended; beginning it again", provider.name)
                except Exception as error:
                    log.warning("the watch of %s's machines failed; beginning it again: %s", provider.name, error)
                await ended(asking)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE[1])
                # It begins once the new watch waits for its first change, so that nothing is missed between the two.
                asking = (asyncio.create_task(self.on_again(provider.name)),)
        finally:
            await ended(asking)


@contextlib.asynccontextmanager
async def _changes(provider: MachineProvider[Any]) -> AsyncIterator[AsyncIterator[tuple[str, MachineStatus]]]:
    changes = provider.watch()
    try:
        yield changes
    finally:
        if isinstance(changes, AsyncGenerator):
            await changes.aclose()  # or its provider would go on telling it
