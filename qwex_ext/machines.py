"""``/qwex/machines``: dev machines that this server's user can log in to, as ``qwex machine create`` makes them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from qwex_ext.handler import Handler

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["MachinesHandler", "SshHandler"]


class MachinesHandler(Handler):
    """Makes machines; all else about them is the controller's API."""

    # What a person asked for.
    _track_activity = True

    @authenticated
    @authorized
    async def post(self) -> None:
        """Make one that lets in the user's key."""
        machining = await asyncio.to_thread(_loaded)
        made = await machining.create(self.service.settings, machining.read(self.request.body))
        self.service.feed.wake()
        self.answer(made, 201)


class SshHandler(Handler):
    """``/qwex/machines/ssh``."""

    _track_activity = True

    @authenticated
    @authorized
    async def post(self) -> None:
        """Have ssh on this server know the user's machines as they are now."""
        machining = await asyncio.to_thread(_loaded)
        self.answer({"note": await machining.known(self.service.settings)})


def _loaded() -> ModuleType:
    from qwex_ext import machining

    return machining
