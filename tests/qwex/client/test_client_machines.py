"""How a machine that comes up is followed: what is asked for, how often, and through what."""

from __future__ import annotations

import json

import pytest
from small_controllers import Scripted, reply

from qwex.client import machines
from qwex.errors import NotFound
from qwex.machines import MachineRecord, MachineState

SUBSCRIBED = ": subscribed\n\n"


def record(state, machine_id="train-abc"):
    return MachineRecord(machine_id, "train", "me", "kueue", MachineState(state), 0.0).as_dict()


def change(machine_id="train-abc"):
    return f"event: machine\ndata: {json.dumps(record('QUEUED', machine_id))}\n\n"


def stream(*texts):
    """An answer that does not end."""
    chunks = "".join(f"{len(text):x}\r\n{text}\r\n" for text in texts)
    return f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}".encode()


@pytest.fixture
def follow(scripted, scripted_client):
    """Follows one that is in these states in turn, each with its why; what was told, and what was asked for."""

    def run(states, streams, whys=()):
        states, streams, whys = [*states], [*streams], [*whys]

        def answer(method, target):
            if target.startswith("/events"):
                return streams.pop(0) if len(streams) > 1 else streams[0]
            if target.endswith("/why"):
                said = whys.pop(0) if whys else "it waits"
                return reply(json.dumps({"summary": said, "reason": "WaitingForQuota"}).encode())
            return reply(json.dumps(record(states.pop(0))).encode()) if states else _GONE

        scripted.answer = answer
        told = [(str(each.state), why and why.summary) for each, why in scripted_client.follow_machine("train-abc")]
        asked = [target for _, target in scripted.requests if target != "/healthz"]
        return told, asked

    return run


_GONE = reply(json.dumps({"code": "not-found", "detail": "there is no such machine"}).encode(), b"404 Not Found")


def test_it_is_asked_for_when_something_is_said_of_it(follow):
    told, asked = follow(["PENDING", "QUEUED", "RUNNING"], [stream(SUBSCRIBED, change("other-abc"), change())])
    assert told == [("PENDING", None), ("QUEUED", "it waits"), ("RUNNING", None)]
    one = ["/events?kinds=machine", "/machines/train-abc"]
    assert asked == [*one, *one, "/machines/train-abc/why", *one]


def test_the_reason_is_asked_for_again_in_silence_and_told_where_it_is_new(follow, monkeypatch):
    monkeypatch.setattr(machines, "_PAUSES", (0.2,))
    told, _ = follow(["QUEUED"] * 3 + ["RUNNING"], [stream(SUBSCRIBED)], ["3rd", "3rd", "2nd"])
    assert told == [("QUEUED", "3rd"), ("QUEUED", "2nd"), ("RUNNING", None)]


@pytest.mark.parametrize("first", [stream(SUBSCRIBED) + Scripted.CLOSE, reply(b"")])
def test_a_stream_that_ends_is_asked_for_again(follow, first):
    told, _ = follow(["QUEUED", "RUNNING"], [first, stream(SUBSCRIBED)])
    assert told == [("QUEUED", "it waits"), ("RUNNING", None)]


def test_one_that_does_not_come_up_is_told_once(follow):
    assert follow(["FAILED"], [stream(SUBSCRIBED)])[0] == [("FAILED", None)]


def test_one_that_is_deleted_meanwhile_is_said(follow):
    with pytest.raises(NotFound):
        follow(["QUEUED"], [stream(SUBSCRIBED, change())])


CALLS = {
    "machine": lambda client, name: client.machine(name),
    "why": lambda client, name: client.machine_why(name),
    "events": lambda client, name: client.machine_events(name),
    "start": lambda client, name: client.start_machine(name),
    "stop": lambda client, name: client.stop_machine(name),
    "change": lambda client, name: client.change_machine(name, idle="2h"),
    "delete": lambda client, name: client.delete_machine(name, purge=True),
    "follow": lambda client, name: next(client.follow_machine(name)),
}


@pytest.mark.parametrize("name", ["", "/", "..", "train/why", "train?purge=1", "a b", "x\udcff"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_can_be_no_name_is_asked_for_nowhere(scripted, scripted_client, call, name):
    scripted.answer = lambda method, target: stream(SUBSCRIBED)
    with pytest.raises(NotFound, match=r"no machine '.*See them with: qwex machine list"):
        call(scripted_client, name)
    assert [target for _, target in scripted.requests if target.startswith("/machines")] == []


@pytest.mark.parametrize("name", ["Train", "tr\u00e4in", "my_train"])
def test_a_name_that_may_be_a_mistake_is_asked_for(scripted, scripted_client, name):
    scripted.answer = lambda method, target: _GONE
    with pytest.raises(NotFound, match="there is no such machine"):
        scripted_client.machine(name)
