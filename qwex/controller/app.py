"""The routes: each reads a request, calls one use case and writes the answer."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.routing import Route, Router

from qwex.controller import problems
from qwex.controller.auth import LOCAL, Tokens, local_caller
from qwex.controller.bodies import (
    BatchBody,
    CollectBody,
    FileBody,
    OriginBody,
    PreflightBody,
    ResubmitBody,
    SubmitBody,
)
from qwex.controller.machines.routes import MachineRoutes
from qwex.controller.operations import NOTEBOOK, OPERATIONS, YAML
from qwex.controller.origin import Origin
from qwex.controller.queries import (
    caller_of,
    events_of,
    filter_of,
    kinds_of,
    page_of,
    run_id_of,
    run_ids_of,
    text_of,
    user_of,
)
from qwex.controller.submission import Entry
from qwex.controller.web import Endless, Json, body, flag, limited, natural
from qwex.errors import NotFound, QwexError
from qwex.quantities import parse_age

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from qwex.config import Settings
    from qwex.controller.auth import Caller
    from qwex.controller.idle import Idle
    from qwex.controller.service import Service

__all__ = ["App"]

log = logging.getLogger(__name__)

_OPEN = frozenset(operation.path for operation in OPERATIONS if operation.open)


class App:
    """The ASGI application: knows who asks, counts who is being answered, and turns errors into problems."""

    def __init__(self, service: Service, settings: Settings, idle: Idle, tokens: Tokens | None = None) -> None:
        api = Api(service, settings, idle)
        self._idle = idle
        self._tokens = tokens or Tokens({})
        self._local = local_caller()
        routes = [Route(each.path, getattr(api, each.name), methods=[each.method]) for each in OPERATIONS]
        self._router = Router(routes, redirect_slashes=False, default=_no_route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        scope["app"] = self
        with self._idle.request() as scope["qwex.asked"]:
            try:
                scope["qwex.caller"] = self._caller(scope)
                await self._router(scope, receive, watched)
            except ClientDisconnect:
                return  # nobody is left to answer
            except Exception as error:
                if started:
                    raise
                await _refuse(error, scope)(scope, receive, send)

    def _caller(self, scope: Scope) -> Caller | None:
        """Over the Unix socket the owner, elsewhere whom the token names."""
        if scope.get(LOCAL, False):
            return self._local
        if scope["path"] in _OPEN:
            return None
        given = dict(scope["headers"]).get(b"authorization")
        return self._tokens.caller(given.decode("latin-1") if given else None)


class Api(MachineRoutes):
    """One method per operation of the table."""

    def __init__(self, service: Service, settings: Settings, idle: Idle) -> None:
        self._service = service
        self._settings = settings
        self._idle = idle
        self._openapi: bytes | None = None

    async def submit(self, request: Request) -> Response:
        asked = await body(request, SubmitBody, self._settings.max_body)
        entry = Entry(asked.spec, asked.run_id, request.headers.get("idempotency-key"))
        (done,) = await self._service.submit([entry], caller_of(request), _origin(asked.origin))
        return Json(vars(done.record), 201 if done.created else 200)

    async def submit_many(self, request: Request) -> Response:
        asked = await body(request, BatchBody, self._settings.max_body)
        entries = [Entry(one.spec, one.run_id) for one in asked.jobs]
        done = await self._service.submit(entries, caller_of(request), _origin(asked.origin))
        return Json({"jobs": [vars(one.record) for one in done]}, 201 if all(one.created for one in done) else 200)

    async def list(self, request: Request) -> Response:
        wanted = filter_of(request)
        missing = ""
        if where := request.query_params.get("where"):
            found = await self._service.found(where)
            wanted, missing = replace(wanted, ids=tuple(found.run_ids)), found.missing
        page = await self._service.page(wanted, *page_of(request))
        jobs = [vars(record) for record in page.records]
        return Json({"jobs": jobs, "next_cursor": page.next_cursor, "total": page.total, "missing": missing})

    async def get(self, request: Request) -> Response:
        return Json(vars(await self._service.get(run_id_of(request))))

    async def cancel(self, request: Request) -> Response:
        return Json(vars(await self._service.cancel(run_id_of(request), caller_of(request))), 202)

    async def spec(self, request: Request) -> Response:
        if YAML in request.headers.get("accept", ""):
            return Response(await self._service.description(run_id_of(request), caller_of(request)), media_type=YAML)
        return Response(await self._service.spec(run_id_of(request), caller_of(request)), media_type="application/json")

    async def events(self, request: Request) -> Response:
        wanted = events_of(request)
        return Endless(await self._service.events(run_id_of(request), wanted, caller_of(request)), "text/event-stream")

    async def logs(self, request: Request) -> Response:
        wanted = text_of(request)
        text, last = await self._service.logs(run_id_of(request), wanted, caller_of(request))
        headers = {} if wanted.follow else {"x-qwex-last-event": str(last)}
        return Endless(text, "text/plain", headers)

    async def notebook(self, request: Request) -> Response:
        run_id = run_id_of(request)
        text = await self._service.notebook(run_id, caller_of(request))
        headers = {"content-disposition": f'attachment; filename="{run_id}.ipynb"'}
        return Response(text, media_type=NOTEBOOK, headers=headers)

    async def why(self, request: Request) -> Response:
        return Json((await self._service.why(run_id_of(request))).as_dict())

    async def files(self, request: Request) -> Response:
        found = await self._service.files(run_id_of(request), caller_of(request))
        return Json({"files": [vars(each) for each in found]})

    async def add_file(self, request: Request) -> Response:
        asked = await body(request, FileBody, self._settings.max_body)
        added = await self._service.add_file(run_id_of(request), asked.path, asked.digest, caller_of(request))
        return Json(vars(added), 201)

    async def job_metrics(self, request: Request) -> Response:
        found = await self._service.metrics_of(run_id_of(request), caller_of(request))
        return Json({"metrics": [vars(each) for each in found]})

    async def trackers(self, request: Request) -> Response:
        job = request.query_params.get("job")
        found = await self._service.trackers_of(job) if job else self._service.trackers()
        return Json({"trackers": [vars(each) for each in found]})

    async def value(self, request: Request) -> Response:
        found = await self._service.value(run_id_of(request), request.path_params["name"], caller_of(request))
        headers = {"x-qwex-digest": found.digest, "x-qwex-format": found.format, "x-qwex-python": found.python}
        return Endless(await _begun(found.chunks), "application/octet-stream", headers)

    async def resubmit(self, request: Request) -> Response:
        asked = await body(request, ResubmitBody, self._settings.max_body)
        done = await self._service.resubmit(run_id_of(request), asked.changes, caller_of(request))
        return Json(vars(done.record), 201)

    async def preflight(self, request: Request) -> Response:
        asked = await body(request, PreflightBody, self._settings.max_body)
        expected, rendered = await self._service.preflight(asked.spec, caller_of(request), _origin(asked.origin))
        return Json({"why": expected.as_dict() if expected else None, "rendered": rendered})

    async def gc(self, request: Request) -> Response:
        asked = await body(request, CollectBody, self._settings.max_body)
        older = parse_age(asked.older) if asked.older else None
        found = await self._service.collect(caller_of(request), older, dry_run=asked.dry_run)
        return Json(found.as_dict())

    async def counts(self, request: Request) -> Response:
        return Json(await self._service.counts(filter_of(request)))

    async def glance(self, request: Request) -> Response:
        seen = await self._service.glance(run_ids_of(request), caller_of(request))
        return Json({"jobs": [one.as_dict() for one in seen]})

    async def elsewhere(self, request: Request) -> Response:
        return Json({"jobs": [vars(record) for record in await self._service.elsewhere(filter_of(request))]})

    async def queues(self, _: Request) -> Response:
        queues, away = await self._service.queues()
        return Json({"queues": [queue.as_dict() for queue in queues], "away": away})

    async def gpus(self, _: Request) -> Response:
        reports, away = await self._service.gpus()
        return Json({"reports": {name: report.as_dict() for name, report in reports.items()}, "away": away})

    async def backends(self, _: Request) -> Response:
        return Json({"backends": self._service.backends()})

    async def plugins(self, _: Request) -> Response:
        return Json({"plugins": self._service.plugins()})

    async def changes(self, request: Request) -> Response:
        request.scope["qwex.asked"].keeps = flag(request.query_params.get("keep"), "keep", True)
        changes = self._service.changes(user_of(request), kinds_of(request), caller_of(request))
        return Endless(changes, "text/event-stream")

    async def has_blob(self, request: Request) -> Response:
        size = natural(request.query_params.get("size"), "size", -1)
        if not await self._service.has_blob(request.path_params["digest"], caller_of(request), size):
            raise NotFound(f"no blob {request.path_params['digest']}")
        return Response()

    async def put_blob(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        chunks = limited(request, self._settings.max_blob, "blob")
        await self._service.put_blob(digest, chunks, caller_of(request))
        return Json({"digest": digest}, 201)

    async def whoami(self, request: Request) -> Response:
        caller = caller_of(request)
        return Json({"user": caller.user, "own": caller.is_local})

    async def health(self, _: Request) -> Response:
        return Json(self._service.health())

    async def ready(self, _: Request) -> Response:
        if not await self._service.ready():
            raise problems.StoreUnavailable("the store cannot be written")
        return Json(self._service.health())

    async def metrics(self, _: Request) -> Response:
        from qwex.controller import metrics

        return Response(metrics.text(self._service, self._idle.requests), media_type=metrics.CONTENT_TYPE)

    async def openapi(self, _: Request) -> Response:
        if self._openapi is None:
            from qwex.controller import openapi

            self._openapi = openapi.text().encode()
        return Response(self._openapi, media_type="application/json")


def _origin(said: OriginBody) -> Origin:
    return Origin(said.environment, said.cwd, said.python)


async def _begun(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks, the first of which is there: what fails at once fails before the answer's head."""
    first = await anext(chunks, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return whole()


async def _no_route(scope: Scope, receive: Receive, send: Send) -> None:
    raise HTTPException(404)


def _refuse(error: Exception, scope: Scope) -> Response:
    path = f"{scope['method']} {scope['path']}"
    if isinstance(error, HTTPException):
        shown: Any = NotFound(f"there is no {path} in this API; see /openapi.json")
    else:
        shown = problems.as_error(error)
    if type(shown) is QwexError:
        log.error("%s failed", path, exc_info=error)
    described = problems.problem(shown)
    if isinstance(error, HTTPException):
        described["status"] = error.status_code
    headers = {"www-authenticate": "Bearer"} if described["status"] == 401 else {}
    if described["status"] == 413:
        # The rest of the body is not read, so nothing can follow it on this connection.
        headers["connection"] = "close"
    return Json(described, described["status"], headers, "application/problem+json")
