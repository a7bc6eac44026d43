"""Two small controllers for tests of the client: real sockets and real HTTP, the jobs are made up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import qwex
from qwex.events import encode

if TYPE_CHECKING:
    from collections.abc import Callable


class Small:
    """What the routes answer from; tests change it."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict] = {}
        self.events: dict[str, list[bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.values: dict[tuple[str, str], bytes] = {}
        self.bodies: list[dict] = []
        self.headers: list[dict] = []
        self.refusal: Response | None = None
        #: Whether a job's events go on after those that there are.
        self.stays = False
        #: What each subscriber to changes in turn is told before its stream ends: the jobs by their ids, as they are
        #: then. In between, a function is called, and "asked ID" waits until that job was asked for. Who comes after
        #: the last is told nothing more.
        self.changes: list[list[str | Callable[[], object]]] = []
        self._asked: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def add(self, run_id: str, state: str = "SUCCEEDED", kind: str = "cell", **more) -> dict:
        record = {"id": run_id, "name": run_id, "user": "me", "kind": kind, "state": state, "backend": "local"}
        self.jobs[run_id] = {**record, "created_at": 1.0, **more}
        self.events.setdefault(run_id, [encode("state", 1.0, 1, state="QUEUED")])
        if state in ("SUCCEEDED", "FAILED", "CANCELLED"):
            self.events[run_id].append(encode("state", 2.0, 1, state=state, reason=more.get("reason", "")))
        return self.jobs[run_id]

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/healthz", self.health),
                Route("/jobs", self.submit, methods=["POST"]),
                Route("/jobs", self.list),
                Route("/jobs/batch", self.batch, methods=["POST"]),
                Route("/events", self.watch),
                Route("/jobs/{id}", self.job, methods=["GET", "DELETE"]),
                Route("/jobs/{id}/events", self.stream),
                Route("/jobs/{id}/values/{name}", self.value),
                Route("/blobs/{digest}", self.blob, methods=["HEAD", "PUT"]),
            ]
        )

    async def health(self, request):
        return JSONResponse({"status": "ok", "version": qwex.__version__, "pid": 1, "api": 1})

    async def submit(self, request):
        self.headers.append(dict(request.headers))
        body = await request.json()
        self.bodies.append(body)
        if self.refusal:
            return self.refusal
        return JSONResponse(self.add(body["run_id"], kind=body["spec"]["source"]["kind"]), status_code=201)

    async def batch(self, request):
        body = await request.json()
        self.bodies.append(body)
        return JSONResponse({"jobs": [self.add(job["run_id"]) for job in body["jobs"]]}, status_code=201)

    async def list(self, request):
        self.bodies.append(dict(request.query_params))
        return JSONResponse({"jobs": list(self.jobs.values()), "next_cursor": None, "total": len(self.jobs)})

    async def job(self, request):
        self._asked[request.path_params["id"]].set()
        found = self.jobs.get(request.path_params["id"])
        if found is None:
            problem = {"status": 404, "code": "not-found", "title": "Not found", "detail": "no such job"}
            return JSONResponse(problem, status_code=404, media_type="application/problem+json")
        return JSONResponse(found)

    async def stream(self, request):
        after = int(request.query_params.get("after", 0))
        lines = self.events[request.path_params["id"]]
        frames = [
            b"id: %d\nevent: %b\ndata: %b\n\n" % (at, json.loads(line)["type"].encode(), line.rstrip())
            for at, line in enumerate(lines, 1)
            if at > after
        ]
        return StreamingResponse(self._told(frames), media_type="text/event-stream")

    async def _told(self, frames):
        for frame in frames:
            yield frame
        if self.stays:
            await asyncio.Event().wait()

    async def watch(self, request):
        async def told():
            self._asked.clear()
            yield b": subscribed\n\n"
            if not self.changes:
                await asyncio.Event().wait()
            for item in self.changes.pop(0):
                if callable(item):
                    item()
                elif item.startswith("asked "):
                    await self._asked[item.removeprefix("asked ")].wait()
                else:
                    yield b"event: job\ndata: %b\n\n" % json.dumps(self.jobs[item]).encode()

        return StreamingResponse(told(), media_type="text/event-stream")

    async def value(self, request):
        return Response(self.values[request.path_params["id"], request.path_params["name"]])

    async def blob(self, request):
        digest = request.path_params["digest"]
        if request.method == "PUT":
            self.blobs[digest] = await request.body()
        return Response(status_code=200 if digest in self.blobs else 404)


class Scripted:
    """Answers raw bytes on a socket: what ``answer(method, target)`` gives is sent as it is.

    An answer that ends with ``CLOSE`` closes the connection after it.
    """

    CLOSE = b"<close>"

    def __init__(self, listener: socket.socket) -> None:
        self.answer: Callable[[str, str], bytes] = lambda method, target: reply(b"{}")
        self.health = {"status": "ok", "version": qwex.__version__, "pid": 1, "api": 1}
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self._listener = listener
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            while request := lines.readline():
                if not self._respond(connection, lines, request):
                    return

    def _respond(self, connection: socket.socket, lines: Any, request: bytes) -> bool:
        headers: dict[str, str] = {}
        while (header := lines.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode().partition(":")
            headers[name.lower()] = value.strip()
        self.headers.append(headers)
        self.bodies.append(lines.read(int(headers.get("content-length", 0))))
        method, target, _ = request.decode().split(" ")
        self.requests.append((method, target))
        healthy = target == "/healthz" and self.health
        data = reply(json.dumps(self.health).encode()) if healthy else self.answer(method, target)
        connection.sendall(data.removesuffix(self.CLOSE))
        return not data.endswith(self.CLOSE)


def reply(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)
