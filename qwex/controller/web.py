"""The edges of HTTP: bodies with a limit, parameters, JSON, and answers without end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic_core import from_json
from starlette.responses import Response

from qwex.errors import InvalidSpec, TooLarge
from qwex.spec import MANY, validated

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

__all__ = ["Endless", "Json", "body", "flag", "limited", "moment", "natural"]

#: Bytes of a body that cannot hold much more than it should.
_LARGE = 1 << 18
_MOST_JOBS = 50_000

ModelT = TypeVar("ModelT", bound="BaseModel")


class Json(Response):
    """Data as JSON; what it holds is plain or a frozen record."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """One line, as short as can be."""
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")


class Endless(Response):
    """Chunks as they come, at the reader's pace: ``send`` waits while the reader is behind."""

    def __init__(self, chunks: AsyncIterator[bytes], media_type: str, headers: Mapping[str, str] | None = None) -> None:
        self._chunks = cast("AsyncGenerator[bytes, None]", chunks)
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers({"cache-control": "no-store", "x-accel-buffering": "no", **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the chunks end or the reader is gone."""
        sending = asyncio.create_task(self._send(send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait([sending, gone], return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not sending.done():
                sending.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)
        if not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                if chunk:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def body(request: Request, model: type[ModelT], limit: int) -> ModelT:
    """The body as ``model``.

    Raises:
        TooLarge: it has more than ``limit`` bytes; what was announced as larger is not read.
        InvalidSpec: lists every problem.
    """
    data = b"".join([chunk async for chunk in limited(request, limit, "body")])
    if len(data) > _LARGE:
        _refuse_sprawl(data)
    checked: ModelT = validated(model.model_validate_json, data)
    return checked


def _refuse_sprawl(data: bytes) -> None:
    """Refuse millions of entries before each is checked and, when it is wrong, described."""
    try:
        waiting: list[tuple[str, Any]] = [("", from_json(data))]
    except ValueError:
        return  # the model says what is wrong with it
    while waiting:
        name, value = waiting.pop()
        most = _MOST_JOBS if name == "jobs" else MANY
        if len(value) > most:
            raise InvalidSpec.of(name or "body", f"{len(value):,} entries; at most {most:,} are allowed")
        entries = value.items() if isinstance(value, dict) else ((name, entry) for entry in value)
        waiting += [(key, entry) for key, entry in entries if isinstance(entry, (dict, list))]


async def limited(request: Request, limit: int, what: str) -> AsyncIterator[bytes]:
    """The body's bytes as they come.

    Raises:
        TooLarge: there are more than ``limit``.
    """
    announced = request.headers.get("content-length", "0")
    seen = int(announced) if announced.isdigit() else 0
    if seen > limit:
        raise TooLarge(f"the {what} has {seen:,} bytes; the limit is {limit:,}")
    seen = 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > limit:
            raise TooLarge(f"the {what} has more than {limit:,} bytes, which is the limit")
        if chunk:
            yield chunk


def natural(given: str | None, name: str, default: int, most: int = 2**53) -> int:
    """A whole number from 0.

    Raises:
        InvalidSpec: it is not one, or larger than ``most``.
    """
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 17 and int(given) <= most):
        raise InvalidSpec.of(name, f"{given[:40]!r} is not a whole number from 0 to {most}")
    return int(given)


def flag(given: str | None, name: str, default: bool) -> bool:
    """0 or 1, false or true; without a value 1.

    Raises:
        InvalidSpec: something else.
    """
    if given is None:
        return default
    if given.lower() in ("", "1", "true", "yes"):
        return True
    if given.lower() in ("0", "false", "no"):
        return False
    raise InvalidSpec.of(name, f"{given[:40]!r} is neither 0 nor 1")


def moment(given: str | None, name: str) -> float | None:
    """A time as seconds since the epoch.

    Raises:
        InvalidSpec: neither seconds nor ISO 8601.
    """
    if not given:
        return None
    with contextlib.suppress(ValueError):
        if math.isfinite(seconds := float(given)):
            return seconds
    try:
        return datetime.fromisoformat(given.replace("Z", "+00:00")).timestamp()
    except ValueError:
        raise InvalidSpec.of(name, f"{given[:40]!r} is neither seconds since the epoch nor ISO 8601") from None
