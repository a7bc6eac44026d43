"""Following a job through lost connections: no event is lost, none comes twice."""

from __future__ import annotations

import json
import socket
from urllib.parse import parse_qs, urlsplit

import pytest
from small_controllers import Scripted, reply

from qwex import config
from qwex.client import AsyncClient, Client
from qwex.client.follow import Patience
from qwex.errors import ControllerUnavailable, NotFound
from qwex.events import encode

RECORD = {"id": "j-1", "name": "j", "user": "me", "kind": "cell", "backend": "local", "created_at": 1.0}
LINES = [
    encode("state", 1.0, 1, state="QUEUED"),
    encode("state", 1.1, 1, state="RUNNING"),
    *(encode("stream", 1.2, 1, seq=n, name="stdout", text=f"line {n}\n\n") for n in range(1, 6)),
    encode("error", 1.3, 1, ename="ValueError", evalue="boom", traceback=["Traceback", "ValueError: boom"]),
    encode("state", 1.4, 1, state="FAILED", reason="Exception"),
]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
TEXT = "".join(f"line {n}\n\n" for n in range(1, 6)) + "Traceback\nValueError: boom\n"


def body(after: int, lines: list[bytes] = LINES) -> bytes:
    """The chunks of an answer, one for each frame; each line also followed by a ping."""
    frames = []
    for number, line in enumerate(lines, 1):
        if number > after:
            kind = json.loads(line)["type"].encode()
            frames.append(b"id: %d\nevent: %b\ndata: %b\n\n: ping\n\n" % (number, kind, line.rstrip()))
    return b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames) + b"0\r\n\r\n"


def after_of(target: str) -> int:
    return int(parse_qs(urlsplit(target).query)["after"][0])


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(Patience, "pauses", (0.0,))


def breaking(step: int):
    """Answers that break off after ``step`` more bytes each time, until one is whole."""
    sent = 0

    def answer(method: str, target: str) -> bytes:
        nonlocal sent
        if "/events" not in target:
            return reply(json.dumps({**RECORD, "state": "RUNNING"}).encode())
        sent += step
        whole = HEAD + body(after_of(target))
        return whole if sent >= len(whole) else whole[:sent] + Scripted.CLOSE

    return answer


@pytest.mark.parametrize("step", [1, 7, 50, 150])
def test_no_event_is_lost_or_doubled(scripted, scripted_client, step):
    scripted.answer = breaking(step)
    events = list(scripted_client.events("j-1"))
    assert [event.id for event in events] == list(range(1, len(LINES) + 1))
    assert [event["text"] for event in events if event.type == "stream"] == [f"line {n}\n\n" for n in range(1, 6)]


def test_a_tail_is_asked_for(scripted, scripted_client):
    scripted.answer = breaking(10_000)
    list(scripted_client.events("j-1", tail=0))
    (target,) = [target for _, target in scripted.requests if "/events" in target]
    assert parse_qs(urlsplit(target).query)["tail"] == ["0"]


def test_text_is_whole_too(scripted, scripted_client):
    scripted.answer = breaking(13)
    assert "".join(scripted_client.logs("j-1", follow=True)) == TEXT


@pytest.mark.anyio
async def test_the_asynchronous_client_resumes_too(scripted, anyio_backend_name):
    scripted.answer = breaking(31)
    async with AsyncClient(start=False) as client:
        events = [event async for event in client.events("j-1")]
    assert [event.id for event in events] == list(range(1, len(LINES) + 1))


def test_a_controller_that_repeats_itself(scripted, scripted_client):
    """A server that ignores where to resume costs nothing but time."""
    cuts = [200, 600, 900]

    def answer(method, target):
        whole = HEAD + body(0)
        return whole[: cuts.pop(0)] + Scripted.CLOSE if cuts else whole

    scripted.answer = answer
    assert [event.id for event in scripted_client.events("j-1")] == list(range(1, len(LINES) + 1))


def test_a_stream_that_ends_early_in_good_order_goes_on(scripted, scripted_client):
    """A controller that ends in good order ends its streams; the job's story is not over."""
    known = [3, 3, len(LINES)]

    def answer(method, target):
        if "/events" in target:
            return HEAD + body(after_of(target), LINES[: known[0]])
        known.pop(0)
        return reply(json.dumps({**RECORD, "state": "RUNNING"}).encode())

    scripted.answer = answer
    assert [event.id for event in scripted_client.events("j-1")] == list(range(1, len(LINES) + 1))


def test_a_shared_controller_that_is_away_when_its_stream_has_ended(monkeypatch):
    """It restarts: the question whether the job goes on is asked as patiently as the stream."""
    monkeypatch.setattr("qwex.client.session._PAUSES", (0.0,))
    listener = socket.create_server(("127.0.0.1", 0))
    server = Scripted(listener)
    known, away = [3, 3, len(LINES)], [True] * 3

    def answer(method, target):
        if "/events" in target:
            return HEAD + body(after_of(target), LINES[: known.pop(0)])
        if away:
            away.pop()
            return Scripted.CLOSE
        return reply(json.dumps({**RECORD, "state": "RUNNING"}).encode())

    server.answer = answer
    with Client(config.load(url=f"http://127.0.0.1:{listener.getsockname()[1]}")) as client:
        assert [event.id for event in client.events("j-1")] == list(range(1, len(LINES) + 1))
    server.close()


def test_nothing_more_to_come_ends(scripted, scripted_client):
    ended = reply(json.dumps({**RECORD, "state": "FAILED"}).encode())
    scripted.answer = lambda method, target: HEAD + body(after_of(target)) if "/events" in target else ended
    assert list(scripted_client.events("j-1", after=len(LINES))) == []


def test_without_follow_the_present_end_is_the_end(scripted, scripted_client):
    scripted.answer = lambda method, target: HEAD + body(0, LINES[:2])
    assert [event.id for event in scripted_client.events("j-1", follow=False)] == [1, 2]
    assert "follow=0" in scripted.requests[-1][1]


def test_only_some_types(scripted, scripted_client):
    scripted.answer = lambda method, target: HEAD + body(after_of(target))
    assert [event.type for event in scripted_client.events("j-1", types=("error",))] == ["error"]


def test_why_comes_without_an_id(scripted, scripted_client):
    why = b'event: why\ndata: {"summary":"2nd in default"}\n\n'
    chunk = b"%x\r\n%b\r\n" % (len(why), why)
    scripted.answer = lambda method, target: HEAD + chunk + body(after_of(target))
    first, *_rest = scripted_client.events("j-1", why=True)
    assert (first.id, first.type, first["summary"]) == (0, "why", "2nd in default")
    assert "why=1" in scripted.requests[-1][1]


def test_leaving_early_closes_the_connection(scripted, scripted_client):
    scripted.answer = lambda method, target: HEAD + body(after_of(target))
    for _event in scripted_client.events("j-1"):
        break
    assert scripted_client.health()["pid"] == 1
    assert len(scripted_client.inner.session._idle) == 1


def test_a_refusal_is_raised(scripted, scripted_client):
    problem = reply(b'{"code":"not-found","detail":"no such job"}', b"404 Not Found")
    scripted.answer = lambda method, target: problem
    with pytest.raises(NotFound, match="no such job"):
        list(scripted_client.events("j-1"))


def test_patience_ends(scripted, scripted_client, monkeypatch):
    monkeypatch.setattr(Patience, "seconds", 0.0)
    scripted.answer = lambda method, target: Scripted.CLOSE
    with pytest.raises(ControllerUnavailable, match="did not come back"):
        list(scripted_client.events("j-1"))


def test_wait_gives_up_in_time(scripted, scripted_client):
    running = reply(json.dumps({**RECORD, "state": "RUNNING"}).encode())
    quiet = HEAD + body(0, LINES[:2]).removesuffix(b"0\r\n\r\n")
    scripted.answer = lambda method, target: quiet if "/events" in target else running
    job = scripted_client.job("j-1")
    assert job.wait(0.05) is False
    assert job.wait(0) is False
    assert job.done() is False


def change(number: int) -> bytes:
    """A chunk that tells of a job."""
    data = json.dumps({**RECORD, "id": f"j-{number}", "state": "RUNNING"}).encode()
    frame = b": subscribed\n\nevent: job\ndata: %b\n\n" % data
    return b"%x\r\n%b\r\n" % (len(frame), frame)


def test_changes_go_on_after_a_loss(scripted, scripted_client):
    numbers = iter(range(1, 9))
    scripted.answer = lambda method, target: HEAD + change(next(numbers)) + change(next(numbers)) + Scripted.CLOSE
    changes = scripted_client.watch()
    assert [next(changes).id for _ in range(4)] == ["j-1", "j-2", "j-3", "j-4"]
    assert ("GET", "/events") in scripted.requests
    changes.close()


def test_whoever_only_looks_on_says_so(scripted, scripted_client):
    scripted.answer = lambda method, target: HEAD + change(1) + Scripted.CLOSE
    changes = scripted_client.watch(keep=False)
    assert next(changes).id == "j-1"
    assert scripted.requests[-1] == ("GET", "/events?keep=0")
    changes.close()
