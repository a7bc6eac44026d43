"""The connection to a cluster: a kubeconfig that cannot be used may be mended while the controller runs."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from qwex_kueue import apiserver, reflector, settings
from qwex_kueue.apiserver import ApiServer

from qwex.errors import BackendUnavailable


@pytest.mark.parametrize(
    ("text", "said"), [(None, "there is no file"), (": [", "cannot be used"), ("{}", "kubeconfig")]
)
def test_a_kubeconfig_that_cannot_be_used_is_tried_again(tmp_path, text, said):
    path = tmp_path / "kubeconfig"
    if text:
        path.write_text(text)
    with pytest.raises(BackendUnavailable, match=said) as caught:
        asyncio.run(ApiServer.connect(settings.read({"kubeconfig": str(path)})))
    assert str(path) in str(caught.value)


def kubeconfig(path, server, token):
    """A file with that token in it."""
    content = {
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "ada"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "ada", "user": {"token": token}}],
    }
    path.write_text(json.dumps(content))
    return settings.read({"kubeconfig": str(path)})


@asynccontextmanager
async def served(answer):
    """The address of an API server that answers every GET so."""
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def renewed(path):
    """A connection whose token was refused while a watch was open; that, what says the next event, and its session."""
    tokens, say = {"old", "new"}, asyncio.Queue()

    async def answer(request):
        if request.headers["authorization"].removeprefix("Bearer ") not in tokens:
            return web.json_response({"message": "who?"}, status=401)
        if "watch" not in request.query:
            return web.json_response({})
        response = web.StreamResponse()
        await response.prepare(request)
        while (event := await say.get()) is not None:
            await response.write(json.dumps(event).encode() + b"\n")
        return response

    async with served(answer) as address:
        server = await ApiServer.connect(kubeconfig(path, address, "old"))
        watch = server.lines("/things", {"watch": "1"})
        say.put_nowait({"number": 1})
        assert await anext(watch) == {"number": 1}
        before = server._session
        tokens.remove("old")
        kubeconfig(path, address, "new")
        await server.get("/things")
        yield server, watch, say, before
        await server.close()


@pytest.mark.anyio
async def test_a_watch_outlives_the_credentials_that_it_began_with(tmp_path):
    async with renewed(tmp_path / "kubeconfig") as (server, watch, say, before):
        say.put_nowait({"number": 2})
        assert await anext(watch) == {"number": 2}
        assert not before.closed
        await server.close()
        assert before.closed
        say.put_nowait(None)
    assert reflector._WATCH_SECONDS[1] < apiserver._LEFT_OPEN


@pytest.mark.anyio
async def test_a_session_of_former_credentials_is_closed_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr(apiserver, "_LEFT_OPEN", 0.0)
    async with renewed(tmp_path / "kubeconfig") as (server, _, say, before):
        await asyncio.gather(*server._former)
        assert before.closed
        assert not server._former
        say.put_nowait(None)


@pytest.mark.anyio
async def test_a_server_that_stops_under_a_watch_is_told_as_one_that_cannot_be_reached(tmp_path):
    async def cut(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"number": 1}\n')
        request.transport.abort()
        return response

    async with served(cut) as address:
        server = await ApiServer.connect(kubeconfig(tmp_path / "kubeconfig", address, "token"))
        watch = server.lines("/things", {"watch": "1"})
        with pytest.raises(BackendUnavailable, match=f"API server {address} cannot be reached: its watch was cut"):
            _ = [event async for event in watch]
        await server.close()
