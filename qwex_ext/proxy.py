"""``/qwex/api/…``: the controller's API, for who may use this Jupyter server; its token stays here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_plus

from jupyter_server.auth.decorator import authorized
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated

from qwex.errors import InvalidSpec, NotFound
from qwex_ext.handler import Handler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.client.http import Response
    from qwex.client.session import Session

__all__ = ["ProxyHandler", "target"]

_PREFIX = "/qwex/api"
#: What passes, beside ``x-qwex-…``. Cookies, tokens and what concerns one connection only are not among them.
_ASKED = frozenset({"accept", "content-type", "idempotency-key", "if-none-match", "last-event-id", "range"})
_ANSWERED = frozenset(
    {
        *("cache-control", "content-disposition", "content-encoding", "content-length", "content-range"),
        *("content-type", "etag", "last-modified", "retry-after"),
    }
)
_START = "Qwex-Start"
#: Names in a query that are Jupyter's.
_JUPYTERS = ("token", "_xsrf")
_EVENT_STREAM = "text/event-stream"
_BYTES = "application/octet-stream"
#: What a browser shows without running it.
_INERT = ("application/json", "application/problem+json", _EVENT_STREAM, "text/plain")


def target(path: str, query: str) -> str:
    """The controller's target, byte for byte as it was asked for, without what is Jupyter's in the query.

    Raises:
        InvalidSpec: it is no URL.
        NotFound: the path leads out of the API.
    """
    if not (path + query).isascii():
        raise InvalidSpec.of("url", "it has letters that a URL cannot have; percent-encode them")
    if any(part in (".", "..") for part in unquote(path).split("/")):
        raise NotFound(f"there is no {path} in this API; see /openapi.json")
    kept = "&".join(part for part in query.split("&") if not _is_jupyters(part))
    return f"{path}?{kept}" if kept else path


def _is_jupyters(part: str) -> bool:
    """Whether it is a credential, or the time that JupyterLab adds so that no cache answers."""
    return unquote_plus(part.partition("=")[0]) in _JUPYTERS or (part.isascii() and part.isdigit())


class ProxyHandler(Handler):
    """Forwards a request and the answer, as it comes. One method per verb: ``authorized`` remembers the first."""

    _exchange: asyncio.Task[None] | None = None

    @authenticated
    @authorized
    async def get(self, path: str) -> None:
        """Ask the controller."""
        await self._forward()

    @authenticated
    @authorized
    async def head(self, path: str) -> None:
        """Ask the controller."""
        await self._forward()

    @authenticated
    @authorized
    async def post(self, path: str) -> None:
        """Ask the controller."""
        await self._forward(self.request.body)

    @authenticated
    @authorized
    async def put(self, path: str) -> None:
        """Ask the controller."""
        await self._forward(self.request.body)

    @authenticated
    @authorized
    async def delete(self, path: str) -> None:
        """Ask the controller."""
        await self._forward()

    def on_connection_close(self) -> None:
        """Nobody waits for the answer any more."""
        if self._exchange is not None:
            self._exchange.cancel()
        super().on_connection_close()

    def compute_etag(self) -> None:
        """None but the controller's."""

    async def _forward(self, body: bytes | None = None) -> None:
        self._exchange = asyncio.ensure_future(self._pass(body))
        try:
            await asyncio.wait({self._exchange})
        finally:
            self._exchange.cancel()
        if not self._exchange.cancelled():
            self._exchange.result()

    async def _pass(self, body: bytes | None) -> None:
        from qwex.client.http import LostError

        asked = target(self.request.path[len(self.base_url.rstrip("/") + _PREFIX) :], self.request.query)
        headers = self._asked()
        repeatable = self.request.method != "POST" or "Idempotency-Key" in self.request.headers
        exchange = self._session().exchange(
            str(self.request.method), asked, body, headers=headers, repeatable=repeatable
        )
        try:
            async with exchange as answer:
                self.service.feed.wake()
                await self._answer(answer)
        except StreamClosedError:
            return
        except LostError:
            # The answer has begun, and what is cut short must not look whole.
            self.detach().close()

    def _session(self) -> Session:
        """That of a person, or of a page that asks by itself, which starts no controller."""
        by_itself = self.request.method in ("GET", "HEAD") and self.request.headers.get(_START) == "no"
        return self.service.visitor if by_itself else self.service.session

    def _asked(self) -> tuple[tuple[str, str], ...]:
        passed = [(name.lower(), value) for name, value in self.request.headers.get_all() if _passes(name, _ASKED)]
        for name, value in passed:
            if not value.isascii():
                raise HTTPError(400, f"the header {name} is not ASCII")
        return tuple(passed)

    async def _answer(self, answer: Response) -> None:
        """The answer, at the pace of who reads it."""
        self.set_status(answer.status)
        for name, value in _shown(answer.headers).items():
            self.set_header(name, value)
        await self.flush()
        async for chunk in answer.chunks():
            self.write(chunk)
            await self.flush()
        self.finish()


def _passes(name: str, names: frozenset[str]) -> bool:
    return name.lower() in names or name.lower().startswith("x-qwex-")


def _shown(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an answer as a browser gets them; what a job wrote is never a page of Jupyter's origin."""
    passed = {name: value for name, value in headers.items() if _passes(name, _ANSWERED)}
    shown = {"cache-control": "no-store", "content-type": _BYTES, **passed}
    media_type = shown["content-type"].partition(";")[0].strip().lower()
    if media_type == _EVENT_STREAM:
        shown |= {"cache-control": "no-store", "x-accel-buffering": "no"}
    if media_type not in _INERT and not shown.get("content-disposition", "").startswith("attachment"):
        shown["content-disposition"] = "attachment"
    return shown
