"""What the handlers share, made when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_events.logger import EventLogger

    from qwex.client.session import Session
    from qwex.config import Settings
    from qwex_ext.feed import Feed

__all__ = ["Service"]


class Service:
    """The settings, the connections to the controller and the feed of one Jupyter server."""

    def __init__(self, url: str, bus: EventLogger, log: Callable[[str], Any]) -> None:
        """``url`` wins over the settings, unless it is empty."""
        self._url = url
        self._bus = bus
        self._log = log

    @cached_property
    def settings(self) -> Settings:
        """As they were at the first request that could read them.

        Raises:
            ConfigError: they cannot be read.
        """
        from qwex import config

        return config.load(url=self._url or None)

    @cached_property
    def session(self) -> Session:
        """For what a user asks: a controller of one's own is started when it is not there."""
        return self._session(start=True)

    @cached_property
    def visitor(self) -> Session:
        """For what a browser's page asks by itself: it finds a controller or none."""
        return self._session(start=False)

    @cached_property
    def feed(self) -> Feed:
        """The one subscription."""
        from qwex_ext.feed import Feed

        return Feed(self.visitor, self._bus)

    async def close(self) -> None:
        """End the feed and drop the connections, within a bounded time."""
        if "feed" in vars(self):
            await self.feed.close()
        for name in ("session", "visitor"):
            if name in vars(self):
                getattr(self, name).close()

    def _session(self, *, start: bool) -> Session:
        from qwex.client.asynchronous import AsyncioTransport
        from qwex.client.session import Session

        return Session(AsyncioTransport(), self.settings, start=start, tell=self._tell)

    def _tell(self, said: str) -> None:
        """To the server's log and to its browsers."""
        self._log(said)
        self.feed.tell(said)
