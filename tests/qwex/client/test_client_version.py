"""A controller of another version: replaced when it is idle, named when it is not."""

from __future__ import annotations

import pytest
from small_controllers import reply

from qwex import config
from qwex.client import Client, daemon
from qwex.errors import ControllerUnavailable


@pytest.fixture
def ended(scripted, monkeypatch):
    """The pids that were asked to end; a controller of this version takes their place."""
    pids = []

    def end(folder, pid):
        pids.append(pid)
        scripted.health["version"] = scripted_version

    scripted_version = scripted.health["version"]
    monkeypatch.setattr(daemon, "end", end)
    scripted.health.update(version="0.0.1", pid=4242)
    return pids


@pytest.fixture
def starting(scripted):
    """A client that may start a controller, and so replace one."""
    with Client(config.load()) as client:
        yield client


def jobs(total: int):
    return lambda method, target: reply(b'{"jobs":[],"total":%d,"queues":[]}' % total)


def test_an_idle_one_is_replaced(scripted, starting, ended):
    scripted.answer = jobs(0)
    assert starting.queues() == []
    assert ended == [4242]


def test_who_may_not_start_one_ends_none(scripted, scripted_client, ended):
    scripted.answer = jobs(0)
    assert scripted_client.queues() == []
    assert scripted_client.health()["version"] == "0.0.1"
    assert ended == []


def test_a_busy_one_is_named_once(scripted, starting, ended):
    scripted.answer = jobs(3)
    with pytest.warns(UserWarning, match=r"your controller is qwex 0\.0\.1, this is") as warned:
        starting.queues()
    assert starting.queues() == []
    assert len(warned) == 1
    assert ended == []


@pytest.mark.parametrize("asking", ["starting", "scripted_client"])
def test_a_busy_one_of_another_language_is_an_error(scripted, ended, asking, request):
    scripted.answer = jobs(3)
    scripted.health["api"] = 2
    with pytest.raises(ControllerUnavailable, match="qwex controller stop") as raised:
        request.getfixturevalue(asking).queues()
    assert raised.value.command == "qwex controller stop"
    assert ended == []


def test_the_same_version_is_asked_once(scripted, scripted_client):
    scripted.answer = jobs(0)
    for _ in range(3):
        scripted_client.queues()
    assert [target for _, target in scripted.requests] == ["/healthz", "/queues", "/queues", "/queues"]
