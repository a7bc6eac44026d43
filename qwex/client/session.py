"""Requests to one controller: connections kept, lost ones replaced, refusals raised as qwex's errors."""

from __future__ import annotations

import json
import time
import warnings
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import qwex
from qwex.client import daemon, http
from qwex.client.address import Address
from qwex.client.bodies import encoded
from qwex.client.http import SILENCE, Chunked, Connection, DeadlineError, LostError, Request, SilentError
from qwex.client.problems import error_of
from qwex.errors import ControllerUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from qwex.client.http import Response, Transport
    from qwex.config import Settings

__all__ = ["Answer", "Session"]

_CONNECT_SECONDS = 10.0
#: Seconds before each further try of a request whose connection was lost. The first loss is often a connection that
#: the controller had closed while it lay idle.
_PAUSES = (0.0, 0.1, 0.5)
_API = 1
_BUSY = "/jobs?state=PENDING,QUEUED,ADMITTED,RUNNING&limit=1"
T = TypeVar("T")


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body read as JSON.

        Raises:
            ControllerUnavailable: it is none; something else listens there.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise ControllerUnavailable(f"what answers is no qwex controller: {self.body[:60]!r}") from None


class UnreachableError(LostError):
    """No connection could be made, so nothing was sent."""


def _warn(said: str) -> None:
    warnings.warn(said, stacklevel=3)


class Session:
    """Connections to the controller that ``settings`` name; one's own is started when it is not there.

    With ``start=False`` it is neither started nor replaced. ``tell`` is called with what a user should know.

    Safe to share between threads (each exchange has a connection to itself) and across a fork (the child makes its
    own connections).
    """

    def __init__(
        self, transport: Transport, settings: Settings, *, start: bool = True, tell: Callable[[str], None] = _warn
    ) -> None:
        self.transport = transport
        self.settings = settings
        self.own = not settings.url
        self._start = start
        self._tell = tell
        self._address = Address.parse(settings.url) if settings.url else Address()
        self._greeted = False
        #: What one's own controller said of itself; empty before the first connection, and of one started here.
        self.greeting: dict[str, Any] = {}
        # append and pop of a deque are atomic, so no lock is needed, and none can be held across a fork.
        self._idle: deque[Connection] = deque()

    def close(self) -> None:
        """Drop the kept connections."""
        while self._idle:
            self._idle.pop().close()

    async def call(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        repeatable: bool = True,
    ) -> Answer:
        """The whole answer; ``body`` is bytes, ``Chunked``, or data to send as JSON.

        Raises:
            QwexError: the controller refused, by its code.
            ControllerUnavailable: it cannot be reached.
        """
        request = self._request(method, target, body, headers, repeatable)
        answer = await self._insist(lambda: self._whole(request), repeatable=repeatable)
        if answer.status >= 400:
            raise error_of(answer.status, answer.body)
        return answer

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        repeatable: bool = True,
    ) -> AsyncGenerator[Response, None]:
        """An answer, refusals too, whose body is to be read as it comes; when left before its end, that ends it.

        Raises:
            ControllerUnavailable: the controller cannot be reached.
            LostError: the connection ended before the body did.
        """
        request = self._request(method, target, body, headers, repeatable)
        async with AsyncExitStack() as stack:
            begun = stack.enter_async_context
            yield await self._insist(lambda: begun(self._answer(request)), repeatable=repeatable)

    async def stream(
        self, target: str, *, headers: tuple[tuple[str, str], ...] = (), deadline: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The body of a GET as it comes.

        Raises:
            LostError: the connection ended before the body did.
            DeadlineError: ``deadline`` (monotonic seconds) has passed.
            QwexError: the controller refused.
        """
        async with self._answer(self._request("GET", target, None, headers, True), deadline) as response:
            if response.status >= 400:
                raise error_of(response.status, await response.body())
            async for chunk in response.chunks(deadline):
                yield chunk

    async def _insist(self, once: Callable[[], Awaitable[T]], *, repeatable: bool) -> T:
        """What ``once`` gives; where its connection was lost, it is tried again if nothing can be done twice."""
        for pause in (*_PAUSES, None):
            try:
                return await once()
            except LostError as lost:
                again = repeatable or isinstance(lost, UnreachableError)
                if pause is None or not again or isinstance(lost, SilentError):
                    raise self._unavailable(lost) from None
            await self.transport.sleep(pause)
        raise AssertionError("unreachable")

    async def _whole(self, request: Request) -> Answer:
        async with self._answer(request) as response:
            return Answer(response.status, response.headers, await response.body())

    @asynccontextmanager
    async def _answer(self, request: Request, deadline: float | None = None) -> AsyncGenerator[Response, None]:
        """An answer on a connection that is kept once the body was read to its end, else closed."""
        connection = await self._acquire(fresh=not request.repeatable)
        try:
            yield await connection.exchange(request, deadline)
        finally:
            self._release(connection)

    async def _acquire(self, *, fresh: bool) -> Connection:
        """A connection for one exchange; ``fresh`` where a kept one that turns out closed could not be replaced."""
        scope = self.transport.scope()
        while self._idle and not fresh:
            try:
                kept = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            if kept.scope == scope and kept.stream.idle():
                kept.renew()
                return kept
            kept.close()
        connection = await self._connect()
        return connection if self._greeted or not self.own else await self._greet(connection)

    def _release(self, connection: Connection) -> None:
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.close()

    async def _connect(self) -> Connection:
        try:
            return await self._open()
        except OSError as error:
            if not self.own:
                raise UnreachableError(str(error)) from None
            if not self._start:
                raise ControllerUnavailable("your controller is not running", command="qwex controller start") from None
        await self.transport.run(daemon.ensure, self.settings.folder)
        try:
            return await self._open()
        except OSError as error:
            raise UnreachableError(str(error)) from None

    async def _open(self, *, watched: bool = True) -> Connection:
        if self.own:
            found = daemon.address(self.settings.folder)
            if found is None:
                raise FileNotFoundError("no socket")
            self._address = found
        stream = await self.transport.connect(self._address, _CONNECT_SECONDS)
        connection = Connection(stream, self.transport.scope())
        connection.on_slow = self._say_slow if watched else None
        return connection

    async def _greet(self, connection: Connection) -> Connection:
        """Make sure that the daemon is of this version: restart an idle one where that may be, say so of a busy one."""
        health = await self._ask(connection, "/healthz")
        if health.get("version") == qwex.__version__:
            self._greeted = True
            self.greeting = health
            return connection
        other = f"your controller is qwex {health.get('version')}, this is {qwex.__version__}"
        if self._start and not (await self._ask(connection, _BUSY)).get("total"):
            connection.close()
            await self.transport.run(daemon.end, self.settings.folder, health["pid"])
            self._greeted = True
            return await self._connect()
        if health.get("api") != _API:
            connection.close()
            stop = "qwex controller stop"
            next_step = f"the two do not understand each other. Once its jobs have ended: {stop}"
            raise ControllerUnavailable(f"{other}; {next_step}", command=stop)
        self._greeted = True
        if self._start:
            self._tell(f"{other}; it is left running for its jobs and replaced when it is idle")
        return connection

    async def _ask(self, connection: Connection, target: str) -> dict[str, Any]:
        try:
            response = await connection.exchange(self._request("GET", target, None, (), True))
            answer = Answer(response.status, response.headers, await response.body())
            if answer.status != 200 or not connection.reusable:
                raise LostError(f"{target} answered {answer.status}")
        except BaseException:
            connection.close()
            raise
        connection.renew()
        result: dict[str, Any] = answer.json()
        return result

    def _request(
        self, method: str, target: str, body: Any, headers: tuple[tuple[str, str], ...], repeatable: bool
    ) -> Request:
        common = [("host", self._address.authority), ("user-agent", f"qwex/{qwex.__version__}")]
        if self.settings.token:
            common.append(("authorization", f"Bearer {self.settings.token}"))
        if body is not None and not isinstance(body, (bytes, memoryview, Chunked)):
            body = encoded(body)
            common.append(("content-type", "application/json"))
        return Request(method, self._address.prefix + target, body or b"", (*common, *headers), repeatable)

    async def _say_slow(self) -> None:
        """Nothing of one that works on it, and answers others meanwhile."""
        if not await self._is_alive():
            self._warn_slow()

    async def _is_alive(self) -> bool:
        try:
            connection = await self._open(watched=False)
        except OSError:
            return False
        try:
            request = self._request("GET", "/healthz", None, (), True)
            return (await connection.exchange(request, time.monotonic() + http.PATIENCE)).status == 200
        except (LostError, DeadlineError):
            return False
        finally:
            connection.close()

    def _warn_slow(self) -> None:
        self._tell(f"{self._where()} does not answer yet; it is given {SILENCE:.0f} s more")

    def _where(self) -> str:
        return f"your controller ({self.settings.folder})" if self.own else f"the controller at {self._address}"

    def _unavailable(self, lost: LostError) -> ControllerUnavailable:
        command = "qwex controller logs" if self.own else "qwex config"
        next_step = f"See {command}." if self.own else "Check QWEX_URL."
        return ControllerUnavailable(f"{self._where()} does not answer: {lost}. {next_step}", command=command)
