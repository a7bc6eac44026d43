"""The API server as this plugin speaks to it: plain JSON over the client library's own session and authentication.

The library's typed methods check every argument and build a model of every object; five thousand pods on a watch are
dictionaries here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client

from qwex.errors import BackendUnavailable, NotAuthorized, QwexError
from qwex_kueue import kubeconfig
from qwex_kueue.errors import ApiError, Missing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from qwex_kueue.settings import KueueSettings

__all__ = ["ApiServer", "Frames"]

#: Seconds to connect, and for an answer.
_CONNECT, _ANSWER = 5.0, 30.0
#: A watch says something about every minute, be it a bookmark; a silent one is a connection that is dead.
_WATCHING = aiohttp.ClientTimeout(sock_connect=_CONNECT, sock_read=150.0)
#: Seconds for which what was begun with credentials before may go on: a watch ends earlier by itself.
_LEFT_OPEN = 400.0
#: Seconds after which a websocket on which nothing comes is asked for a sign of life: a lost one says nothing.
_HEARTBEAT = 20.0
_TRANSPORT = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError, OSError)


class Frames:
    """A websocket: whole frames each way."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[Any]) -> None:
        self._socket = socket

    async def send(self, frame: bytes) -> None:
        """Send a frame."""
        try:
            await self._socket.send_bytes(frame)
        except _TRANSPORT as error:
            raise BackendUnavailable(f"the connection was cut: {error}") from error

    async def receive(self) -> bytes | None:
        """The next frame; None when the other side has closed."""
        try:
            message = await self._socket.receive()
        except _TRANSPORT as error:
            raise BackendUnavailable(f"the connection was cut: {error}") from error
        if message.type is aiohttp.WSMsgType.BINARY:
            frame: bytes = message.data
            return frame
        if message.type is aiohttp.WSMsgType.ERROR:
            raise BackendUnavailable(f"the connection was cut: {self._socket.exception()}")
        return None

    async def close(self) -> None:
        """Let go of it."""
        with contextlib.suppress(*_TRANSPORT):
            await self._socket.close()


class ApiServer:
    """One cluster. Make it with ``connect``; every call raises ``BackendUnavailable`` when the server is away."""

    def __init__(self, api: client.ApiClient, namespace: str, settings: KueueSettings) -> None:
        self._api = api
        self._settings = settings
        self.namespace = namespace
        self._renewing: asyncio.Future[None] | None = None
        #: Those with credentials of before, each by the task that closes it in time.
        self._former: dict[asyncio.Task[None], client.ApiClient] = {}
        #: Requests so far, watches and port-forwards too.
        self.requests = 0

    @classmethod
    async def connect(cls, settings: KueueSettings) -> ApiServer:
        """Read the configuration; nothing is sent yet.

        Raises:
            BackendUnavailable: names the part of the kubeconfig that cannot be used.
        """
        configuration, namespace = await kubeconfig.read(settings)
        return cls(client.ApiClient(configuration), settings.namespace or namespace or "default", settings)

    @property
    def address(self) -> str:
        """The server's URL."""
        return str(self._api.configuration.host)

    @property
    def core(self) -> str:
        """The path of the namespace's core objects."""
        return f"/api/v1/namespaces/{self.namespace}"

    @property
    def jobs(self) -> str:
        """The path of the namespace's Jobs."""
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    async def close(self) -> None:
        """Let go of every connection."""
        for closing in self._former:
            closing.cancel()
        await asyncio.gather(*(api.close() for api in (self._api, *self._former.values())))

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Read an object or a list."""
        return await self.call("GET", path, query=query)

    async def create(self, path: str, body: Mapping[str, Any], **query: Any) -> dict[str, Any]:
        """Create an object. A field that the server does not know it refuses: by itself it would drop it in silence."""
        return await self.call("POST", path, body=body, query={"fieldValidation": "Strict", **query})

    async def delete(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Delete an object; it is no error when there is none."""
        with contextlib.suppress(Missing):
            await self.call("DELETE", path, body=body)

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        kind: str = "application/json",
    ) -> dict[str, Any]:
        """One request.

        Raises:
            ApiError: the server refuses it.
            NotAuthorized: who asks is not known, or may not do it; the message says which right is missing.
            BackendUnavailable: no answer, or a server that is not ready.
        """
        data = json.dumps(body).encode() if body is not None else None
        response = await self._send(method, path, query or {}, data=data, headers={"content-type": kind})
        async with response:
            return await _json(response)

    async def text(self, path: str, **query: Any) -> AsyncIterator[bytes]:
        """An answer that is not JSON, in pieces."""
        response = await self._send("GET", path, query)
        async with response:
            try:
                async for chunk in response.content.iter_chunked(1 << 16):
                    yield chunk
            except _TRANSPORT as error:
                raise BackendUnavailable(f"the answer of the API server was cut: {error}") from error

    async def lines(self, path: str, query: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The events of a watch, until the server ends it."""
        response = await self._send("GET", path, query, timeout=_WATCHING)
        async with response:
            try:
                async for line in response.content:
                    yield json.loads(line)
            except (*_TRANSPORT, ValueError) as error:
                # Said as a request says it: either may be the first to notice that the server stopped.
                raise self._away(f"its watch was cut ({type(error).__name__})") from error

    async def websocket(self, path: str, protocol: str, **query: Any) -> Frames:
        """A websocket to a subresource."""
        url = f"{self.address}{path}?{urlencode(query)}"
        for again in (False, True):
            self.requests, used = self.requests + 1, self._api
            try:
                socket = await self._session.ws_connect(
                    url,
                    headers=await self._headers(),
                    protocols=(protocol,),
                    max_msg_size=0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=0.0),  # nobody is said goodbye to
                    compress=0,
                    heartbeat=_HEARTBEAT,
                    **self._options(),
                )
                return Frames(socket)
            except aiohttp.WSServerHandshakeError as error:
                if error.status == 401 and not again:
                    await self._renew(used)
                    continue
                raise _refusal(error.status, "", f"{path}: {error.message}", path) from error
            except _TRANSPORT as error:
                raise self._away(error) from error
        raise AssertionError

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> aiohttp.ClientResponse:
        params = {name: str(value) for name, value in query.items() if value is not None}
        timeout = timeout or aiohttp.ClientTimeout(total=_ANSWER, sock_connect=_CONNECT)
        for again in (False, True):
            self.requests, used = self.requests + 1, self._api
            try:
                response = await self._session.request(
                    method,
                    f"{self.address}{path}",
                    params=params,
                    data=data,
                    headers={**(headers or {}), **await self._headers()},
                    timeout=timeout,
                    **self._options(),
                )
            except _TRANSPORT as error:
                raise self._away(error, in_doubt=method == "POST" and not _unconnected(error)) from error
            if response.status == 401 and not again:
                response.release()
                await self._renew(used)
                continue
            if response.status >= 400:
                async with response:
                    raise _refusal(response.status, *await _status(response), path)
            return response
        raise AssertionError

    async def _headers(self) -> dict[str, str]:
        headers = {"user-agent": "qwex"}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "", None)
        return headers

    def _options(self) -> dict[str, Any]:
        rest = self._api.rest_client
        options = {"proxy": rest.proxy, "proxy_headers": rest.proxy_headers}
        name = self._api.configuration.tls_server_name
        return {key: value for key, value in options.items() if value} | ({"server_hostname": name} if name else {})

    @property
    def _session(self) -> aiohttp.ClientSession:
        rest = self._api.rest_client
        if rest.pool_manager is None:
            rest.maxsize = 0
            rest.pool_manager = rest._create_pool_manager()
        session: aiohttp.ClientSession = rest.pool_manager
        return session

    async def _renew(self, refused: client.ApiClient) -> None:
        """The server does not know who asks, with ``refused``: read the kubeconfig again, since tokens in it expire.

        All whom it refuses meanwhile wait for the one reading, and share its outcome.
        """
        if self._renewing is None and self._api is refused:
            self._renewing = asyncio.ensure_future(self._read_again())
        if self._renewing:
            await asyncio.shield(self._renewing)

    async def _read_again(self) -> None:
        try:
            configuration, _ = await kubeconfig.read(self._settings)
        finally:
            self._renewing = None
        before, self._api = self._api, client.ApiClient(configuration)
        closing = asyncio.create_task(self._close_in_time(before))
        self._former[closing] = before
        closing.add_done_callback(self._former.pop)

    async def _close_in_time(self, api: client.ApiClient) -> None:
        """What is under way on it ends by itself first, watches too."""
        await asyncio.sleep(_LEFT_OPEN)
        await api.close()

    def _away(self, error: BaseException | str, *, in_doubt: bool = False) -> BackendUnavailable:
        what = str(error) or type(error).__name__
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            what = f"its certificate is not trusted ({error}); see certificate-authority in the kubeconfig"
        return BackendUnavailable(
            f"the Kubernetes API server {self.address} cannot be reached: {what}", in_doubt=in_doubt
        )


def _unconnected(error: BaseException) -> bool:
    """Whether nothing can have arrived."""
    return isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError))


def _refusal(status: int, reason: str, message: str, path: str) -> QwexError:
    if status == 401:
        return NotAuthorized(f"the API server does not accept the kubeconfig's credentials: {message}")
    if status == 403:
        return NotAuthorized(f"Kubernetes refuses: {message}")
    if status == 404:
        return Missing(status, reason, message or f"there is no {path}")
    if status == 429 or status >= 500:
        # A webhook that does not answer is a 500; so is an API server that begins or ends.
        # One that took too long may have been done all the same.
        return BackendUnavailable(f"Kubernetes cannot do it now: {message}", in_doubt=status == 504)
    return ApiError(status, reason, message)


async def _json(response: aiohttp.ClientResponse) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(await response.read())
    except _TRANSPORT as error:
        raise BackendUnavailable(f"the answer of the API server was cut: {error}", in_doubt=True) from error
    except ValueError as error:
        raise BackendUnavailable(f"{response.url.host} does not answer as an API server does: {error}") from error
    return answer


async def _status(response: aiohttp.ClientResponse) -> tuple[str, str]:
    """The reason and the message of a refusal."""
    try:
        text = await response.text(errors="replace")
    except _TRANSPORT:
        text = ""
    try:
        said = json.loads(text)
        return str(said.get("reason", "")), str(said.get("message", text))
    except (ValueError, AttributeError):
        return "", text[:500] or str(response.reason)
