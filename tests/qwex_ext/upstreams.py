"""A controller of the test's own, in the event loop of the Jupyter server: what it answers, and when, is the test's."""

from __future__ import annotations

import asyncio
import json
from typing import NamedTuple

import qwex

HEALTH = {"status": "ok", "version": qwex.__version__, "pid": 1, "api": 1}


class Asked(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def whole(body: bytes, *headers: str, status: str = "200 OK", media_type: str = "application/json"):
    """An answer in one piece."""
    lines = [f"HTTP/1.1 {status}", f"content-type: {media_type}", f"content-length: {len(body)}", *headers]

    async def answer(asked, reader, writer):
        writer.write("\r\n".join([*lines, "", ""]).encode() + (b"" if asked.method == "HEAD" else body))

    return answer


def begin(writer, *headers: str, media_type: str = "text/event-stream") -> None:
    """The head of an answer in chunks."""
    lines = ["HTTP/1.1 200 OK", f"content-type: {media_type}", "transfer-encoding: chunked", *headers, "", ""]
    writer.write("\r\n".join(lines).encode())


def chunk(writer, data: bytes) -> None:
    """One chunk; an empty one is the end."""
    writer.write(b"%x\r\n%b\r\n" % (len(data), data))


class Upstream:
    """``answer(asked, reader, writer)`` answers all but ``/healthz``."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer = whole(b"{}")
        self.health = dict(HEALTH)
        self._serving: set[asyncio.Task] = set()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while asked := await _asked(reader):
                if asked.target == "/healthz":
                    await whole(json.dumps(self.health).encode())(asked, reader, writer)
                else:
                    self.asked.append(asked)
                    await self.answer(asked, reader, writer)
        finally:
            writer.close()

    async def end(self) -> None:
        """Leave every connection."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)


async def _asked(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, OSError):
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, target, _ = first.split(" ")
    return Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))
