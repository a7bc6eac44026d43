"""A Jupyter server with the extension, and the controllers it may find."""

from __future__ import annotations

import asyncio
import json

import pytest

# By name, and not as a plugin: its fixtures and its way to run coroutines are for this folder only.
from pytest_jupyter.jupyter_server import (  # noqa: F401
    echo_kernel_spec,
    http_server,
    http_server_client,
    http_server_port,
    io_loop,
    jp_argv,
    jp_asyncio_loop,
    jp_auth_header,
    jp_base_url,
    jp_config_dir,
    jp_configurable_serverapp,
    jp_data_dir,
    jp_env_config_path,
    jp_env_jupyter_path,
    jp_environ,
    jp_fetch,
    jp_home_dir,
    jp_http_port,
    jp_kernel_dir,
    jp_logging_stream,
    jp_nbconvert_templates,
    jp_root_dir,
    jp_runtime_dir,
    jp_server_cleanup,
    jp_serverapp,
    jp_system_config_path,
    jp_system_jupyter_path,
    jp_web_app,
    jp_ws_fetch,
    pytest_pycollect_makeitem,
    pytest_pyfunc_call,
)
from upstreams import Upstream

SECONDS = 60


@pytest.fixture(autouse=True)
def private(home, monkeypatch):
    """No test finds the developer's own controller."""
    monkeypatch.setenv("QWEX_LOCAL__CPU", "2")
    return home


@pytest.fixture
def jp_server_config():
    extensions = {"qwex_ext": True, "jupyter_server_terminals": False}
    return {"ServerApp": {"jpserver_extensions": extensions, "allow_unauthenticated_access": False}}


@pytest.fixture
def upstream(home, jp_asyncio_loop):  # noqa: F811
    """A controller of the test's own where the user's would listen."""
    home.mkdir(mode=0o700)
    found = Upstream()
    serving = asyncio.start_unix_server(found.serve, home / "controller.sock", limit=1 << 24)
    server = jp_asyncio_loop.run_until_complete(serving)
    yield found
    server.close()
    jp_asyncio_loop.run_until_complete(found.end())


@pytest.fixture
def ask(http_server_client, jp_auth_header, jp_base_url):  # noqa: F811
    """Asks for exactly that target below the base URL, logged in; gives any answer, refusals too."""

    async def ask(target: str, method: str = "GET", body: bytes | None = None, headers=jp_auth_header, **more):
        return await http_server_client.fetch(
            f"{jp_base_url}{target}",
            method=method,
            body=body,
            headers=headers,
            raise_error=False,
            allow_nonstandard_methods=True,
            request_timeout=SECONDS,
            **more,
        )

    return ask


@pytest.fixture
def post(ask):
    """Posts JSON; gives the status and what was answered."""

    async def post(target: str, data):
        answer = await ask(target, "POST", json.dumps(data).encode())
        return answer.code, json.loads(answer.body)

    return post


@pytest.fixture
def browser(http_server_client, jp_auth_header, jp_base_url, jp_asyncio_loop):  # noqa: F811
    """Opens a connection of its own and asks for a target on it; the test reads as slowly, and leaves, as it likes."""
    opened = []

    async def open(target: str, *headers: str):
        reader, writer = await asyncio.open_connection("127.0.0.1", http_server_client.get_http_port(), limit=1 << 16)
        opened.append(writer)
        login = f"Authorization: {jp_auth_header['Authorization']}"
        lines = [f"GET {jp_base_url}{target} HTTP/1.1", "Host: localhost", login, *headers]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        return reader, writer

    yield open
    for writer in opened:
        writer.close()


@pytest.fixture
def bus(jp_ws_fetch, http_server):  # noqa: F811
    """Subscribes as a browser does; ``await heard()`` is the next event, its schema's short name first."""

    async def subscribe():
        socket = await jp_ws_fetch("api", "events", "subscribe")

        async def heard():
            while True:
                event = json.loads(await asyncio.wait_for(socket.read_message(), SECONDS))
                if event["schema_id"].startswith("https://schema.qwex.dev/jupyter/"):
                    kind = event["schema_id"].split("/")[-2]
                    return kind, {name: value for name, value in event.items() if not name.startswith(("__", "schema"))}

        return heard

    return subscribe
