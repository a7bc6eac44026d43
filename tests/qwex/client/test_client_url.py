"""A controller elsewhere: its address, its token, and what stays at home."""

from __future__ import annotations

import json
import socket

import pytest
from small_controllers import Scripted, reply

from qwex import config
from qwex.client import Client
from qwex.client.address import Address
from qwex.errors import ConfigError


@pytest.fixture
def shared(home):
    """A ``Scripted`` controller on TCP, and its URL."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = Scripted(listener)
    yield server, f"http://127.0.0.1:{listener.getsockname()[1]}/qwex/api"
    server.close()


def test_a_submit_elsewhere(shared):
    server, url = shared
    record = {"id": "x-1", "name": "x", "user": "me", "kind": "command", "state": "PENDING", "backend": "kueue"}
    server.answer = lambda method, target: reply(json.dumps({**record, "created_at": 1}).encode())
    with Client(config.load(url=url, token="secret", queue="team")) as client:
        client.submit({"source": {"kind": "command"}, "args": ["true"]}, run_id="x-1")
    assert server.requests == [("POST", "/qwex/api/jobs")]
    assert server.headers[0]["authorization"] == "Bearer secret"
    assert url.startswith(f"http://{server.headers[0]['host']}/")
    sent = json.loads(server.bodies[0])
    assert sent == {"run_id": "x-1", "spec": {"source": {"kind": "command"}, "args": ["true"], "queue": "team"}}


@pytest.mark.parametrize(
    ("url", "expected", "authority"),
    [
        ("https://jobs.example.org", Address("", "jobs.example.org", 443, True, ""), "jobs.example.org"),
        ("http://localhost:8787/a/", Address("", "localhost", 8787, False, "/a"), "localhost:8787"),
        ("http://[::1]:80", Address("", "::1", 80, False, ""), "[::1]"),
    ],
)
def test_addresses(url, expected, authority):
    assert Address.parse(url) == expected
    assert expected.authority == authority


@pytest.mark.parametrize("url", ["localhost:8787", "ftp://x", "http://", "http://x:port", "http://[::1"])
def test_what_is_no_address(url):
    with pytest.raises(ConfigError, match="url = "):
        Address.parse(url)
