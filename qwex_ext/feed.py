"""Changes of jobs and machines on Jupyter's event bus, through which every browser with the server open has them."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated

from qwex.errors import QwexError
from qwex.record import JobRecord
from qwex_ext.handler import Handler, command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jupyter_events.logger import EventLogger

    from qwex.client.session import Session

__all__ = ["FEED", "JOB", "MACHINE", "Feed", "FeedHandler", "Standing"]

JOB = "https://schema.qwex.dev/jupyter/job/v1"
MACHINE = "https://schema.qwex.dev/jupyter/machine/v1"
FEED = "https://schema.qwex.dev/jupyter/feed/v1"
#: Everybody who may use the bus reads this: no message, which may quote a job's output, and no tags.
_SHOWN = ("id", "name", "user", "state", "reason", "attempt", "queue", "backend")
_SHOWN_OF_MACHINES = ("id", "name", "user", "state", "reason")
#: Seconds before each further try; the last again and again.
_PAUSES = (0.1, 1.0, 1.0, 2.0, 3.0, 5.0, 10.0)
#: Seconds that a subscription lasts which was not in vain.
_LASTING = 10.0
#: Seconds for which who begins the feed waits for its first try.
_FIRST_SECONDS = 3.0
_END_SECONDS = 2.0
#: Seconds between two words on the bus: proxies drop a socket on which nothing passes, many after a minute.
_BEAT = 20.0


class Standing(NamedTuple):
    """Whether changes are heard; if not, why, and the command that helps."""

    connected: bool
    #: "own" or "url".
    controller: str
    message: str = ""
    command: str = ""
    #: Another one for each subscription that began; empty while none has.
    beginning: str = ""


class Feed:
    """One subscription for all browsers. It begins when the first one asks, and never starts a controller."""

    def __init__(self, session: Session, bus: EventLogger) -> None:
        self._session = session
        self._bus = bus
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        #: Changes told so far. A browser that has heard fewer has missed some.
        self._told = 0
        self._wake = asyncio.Event()
        #: Whether a try has had an outcome since somebody asked.
        self._tried = asyncio.Event()
        self.standing = Standing(False, "own" if session.own else "url", "the controller has not answered yet")

    async def begin(self) -> Standing:
        """Subscribe if that has not been done, and say on the bus where it stands: who hears that hears jobs too."""
        if not self._tasks:
            self._tasks = (asyncio.create_task(self._run()), asyncio.create_task(self._beat()))
        if not self.standing.connected:
            self._tried.clear()
            self.wake()
            await _set(self._tried, _FIRST_SECONDS)
        self._say(self.standing)
        return self.standing

    def wake(self) -> None:
        """A controller may be there now: don't wait before the next try."""
        if not self.standing.connected:
            self._wake.set()

    def tell(self, said: str) -> None:
        """Something that users should know once."""
        self._say(self.standing, notice=said)

    async def close(self) -> None:
        """End the subscription, within a bounded time."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            self._tried.set()
            await asyncio.wait(self._tasks, timeout=_END_SECONDS)

    async def _run(self) -> None:
        from qwex.client.http import LostError

        vain = 0
        while True:
            begun = time.monotonic()
            try:
                await self._listen()
            except LostError:
                pass  # it had begun; the next try tells how it stands
            except QwexError as error:
                self._stand(Standing(False, self.standing.controller, error.message, command(error)))
            except Exception:
                self._bus.log.exception("qwex: the controller's changes could not be read; they are asked for again")
            vain = vain + 1 if time.monotonic() - begun < _LASTING else 0
            await _set(self._wake, _PAUSES[min(vain, len(_PAUSES) - 1)])
            self._wake.clear()

    async def _beat(self) -> None:
        """Say again and again where it stands."""
        while True:
            await asyncio.sleep(_BEAT)
            self._say(self.standing)

    async def _listen(self) -> None:
        """Put every change on the bus until the connection ends."""
        from qwex.client.problems import error_of
        from qwex.client.sse import frames

        async with self._session.exchange("GET", "/events?keep=0&kinds=job,machine") as answer:
            if answer.status >= 400:
                raise error_of(answer.status, await answer.body())
            async for frame in frames(self._begun(answer.chunks())):
                if news := _news(frame.event, frame.data):
                    self._told += 1
                    self._bus.emit(schema_id=news[0], data=news[1])
                # Thousands may come at once; Jupyter has others to serve meanwhile.
                await asyncio.sleep(0)

    async def _begun(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks; from the first one on every change is heard."""
        begun = False
        async for chunk in body:
            if not begun:
                self._stand(Standing(True, self.standing.controller, beginning=secrets.token_hex(4)))
                begun = True
            yield chunk

    def _stand(self, standing: Standing) -> None:
        """Where it stands now. Every beginning is told, since browsers have missed what came before it."""
        changed, self.standing = standing != self.standing, standing
        self._tried.set()
        if changed:
            self._say(standing)

    def _say(self, standing: Standing, notice: str = "") -> None:
        said = {**standing._asdict(), "told": self._told, "notice": notice}
        self._bus.emit(schema_id=FEED, data=said)


def _news(kind: str, data: bytes) -> tuple[str, dict[str, Any]] | None:
    """A change as the bus tells it, and its schema; None for what this version does not know."""
    if kind == "job":
        job = JobRecord.from_dict(json.loads(data))
        return JOB, {name: getattr(job, name) for name in _SHOWN}
    if kind in ("machine", "machine-gone"):
        raw = json.loads(data)
        # One that is no more is in no state.
        return MACHINE, {"state": None, "reason": "", **{name: raw[name] for name in _SHOWN_OF_MACHINES if name in raw}}
    return None


async def _set(event: asyncio.Event, seconds: float) -> None:
    """Wait until it is set, at most so long; ``asyncio.wait_for`` may forget a cancellation meanwhile."""
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=seconds)
    finally:
        waiting.cancel()


class FeedHandler(Handler):
    """``/qwex/feed``."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Tell browsers of changes from now on."""
        self.answer((await self.service.feed.begin())._asdict())
