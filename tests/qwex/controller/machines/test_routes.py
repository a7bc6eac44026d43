"""The routes of dev machines over a real socket, as the client asks for them."""

from __future__ import annotations

import json
import os
import threading

import pytest
from daemons import Daemon

from qwex import config
from qwex.client import Client
from qwex.errors import Conflict, InvalidSpec, NotFound
from qwex.machines import MachineState
from qwex.machinespec import MachineSpec


@pytest.fixture
def daemon(home, plugin, monkeypatch):
    """One that has a place for machines."""
    points = home.parent / "site" / "qwex_scripted-1.0.dist-info" / "entry_points.txt"
    points.write_text("[qwex]\nscripted = scripted\nplaces = places\n")
    monkeypatch.setenv("QWEX_PLUGINS", "scripted,places")
    home.mkdir(parents=True)
    daemon = Daemon(home)
    assert daemon.start() == "ready"
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def machines(home, daemon):
    """A client of it."""
    with Client(config.load(home=str(home)), start=False) as client:
        yield client


@pytest.fixture
def changes(daemon):
    """Reads a stream of changes: the type and the data of each from the request on."""
    opened = []

    def read(query):
        connection = daemon.connect()
        opened.append(connection)
        connection.request("GET", f"/events?{query}")
        answer = connection.getresponse()

        def told():
            while line := answer.readline():
                if line.startswith(b"event: "):
                    yield line[7:].decode().strip(), json.loads(answer.readline()[6:])

        return told()

    yield read
    for connection in opened:
        connection.close()


def until(client, holds):
    """Return once that holds for the machine, or for None where there is none."""
    pause = threading.Event()
    for _ in range(2000):
        try:
            record = client.machine("train")
        except NotFound:
            record = None
        if holds(record):
            return record
        pause.wait(0.01)
    raise AssertionError(record)


def test_a_machines_life(machines):
    expected, rendered = machines.preflight_machine({"name": "train", "provider": "place"})
    assert expected is None
    assert "train-" in rendered
    made = machines.create_machine(MachineSpec(name="train", provider="place", idle="2h"))
    record = until(machines, lambda record: record.state is MachineState.RUNNING)
    assert (record.id, record.idle, record.host) == (made.id, 7200, "qwex-train")
    assert record.host_key.startswith("ssh-ed25519 ")
    assert [machines.machines(), machines.machines("me"), machines.machines("ada")] == [[record], [record], []]
    assert machines.machine_why("train").summary == "it runs on the node node-1"
    assert machines.change_machine("train", idle=None, max_age="8h").max_age == 28800
    assert machines.machine(record.id).idle is None
    machines.stop_machine("train")
    until(machines, lambda record: record.state is MachineState.STOPPED)
    machines.start_machine("train", resources={"gpu": "1"})
    record = until(machines, lambda record: record.state is MachineState.RUNNING)
    assert (record.run, record.resources["gpu"]) == (2, "1")
    events = machines.machine_events("train")
    assert [each.asked for each in events if each.asked] == ["create", "change", "stop", "start"]
    assert {each.user for each in events if each.asked} == {made.user}
    events = [each for each in machines.machine_events("train") if each.asked]
    assert [each.asked for each in events] == ["create", "change", "stop", "start"]
    assert ({each.user for each in events}, events[-1].run) == ({made.user}, 2)
    machines.delete_machine("train", purge=True)
    until(machines, lambda record: record is None)


def test_changes_are_told_to_who_asks_for_them(machines, daemon, changes):
    told, of_jobs = changes("kinds=machine"), changes("")
    made = machines.create_machine({"name": "train", "provider": "place"})
    until(machines, lambda record: record.state is MachineState.RUNNING)
    machines.delete_machine("train")
    seen = [next(told)]
    while seen[-1][0] != "machine-gone":
        seen.append(next(told))
    assert seen[-1][1] == {"id": made.id, "name": "train", "user": made.user}
    states = [record["state"] for kind, record in seen[:-1] if kind == "machine" and record["id"] == made.id]
    assert states[-1] == "STOPPING"
    assert "RUNNING" in states
    # What was written before there were machines takes everything for a job.
    assert daemon.call("POST", "/jobs", daemon.job("one"))[0] == 201
    assert next(of_jobs)[0] == "job"
    assert daemon.call("GET", "/events?kinds=machines")[0] == 400


def test_where_machines_can_be(daemon):
    answer = daemon.call("GET", "/machines")[2]
    assert (answer["machines"], answer["default_provider"]) == ([], "")
    assert "place" in answer["providers"]


def test_what_is_refused(machines):
    with pytest.raises(NotFound, match="qwex machine"):
        machines.machine("train")
    with pytest.raises(InvalidSpec, match="name"):
        machines.create_machine({"name": "No Name"})
    with pytest.raises(InvalidSpec, match="queue"):
        machines.create_machine({"name": "train", "provider": "place", "queue": "nowhere"})
    machines.create_machine({"name": "train", "provider": "place"})
    with pytest.raises(Conflict, match=r"(ssh qwex-|qwex machine why )train"):
        machines.create_machine({"name": "train", "provider": "place"})
    with pytest.raises(InvalidSpec, match="home"):
        machines.start_machine("train", home="1Ti")
    assert os.listdir(machines.settings.folder / "machines") == [machines.machine("train").id]
