"""Connections: kept, replaced, never reused after an interruption."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import warnings

import pytest
from small_controllers import Scripted, reply

from qwex import config
from qwex.client import Client, http
from qwex.client.asynchronous import _within
from qwex.client.face import drive
from qwex.errors import Conflict, ControllerUnavailable, InvalidSpec, NotAuthorized, NotFound, TooLarge


def test_a_connection_is_kept(scripted, scripted_client):
    for _ in range(3):
        scripted_client.health()
    assert scripted.connections == 1


def test_a_kept_connection_that_was_closed_is_replaced(scripted, scripted_client):
    scripted.answer = lambda method, target: reply(b'{"queues":[]}') + Scripted.CLOSE
    for _ in range(3):
        assert scripted_client.queues() == []


def test_a_silent_controller_is_told_of_and_given_up(scripted, scripted_client, monkeypatch):
    scripted_client.health()
    scripted.health = {}
    over = threading.Event()
    scripted.answer = lambda method, target: reply(b"{}") if over.wait() else b""
    monkeypatch.setattr(http, "PATIENCE", 0.01)
    monkeypatch.setattr(http, "SILENCE", 0.05)
    told = pytest.warns(UserWarning, match="your controller .* does not answer yet")
    with told, pytest.raises(ControllerUnavailable, match="does not answer: it was silent"):
        scripted_client.queues()
    over.set()
    assert [target for _, target in scripted.requests].count("/queues") == 1


def test_nothing_is_said_of_a_controller_that_works_on_it(scripted, scripted_client, monkeypatch):
    scripted_client.health()
    asked = threading.Event()

    class Health(dict):
        """Tells when it is asked for."""

        def __bool__(self):
            asked.set()
            return True

    scripted.health = Health(scripted.health)

    def answer(method, target):
        assert asked.wait(30)
        return reply(b'{"queues":[]}')

    scripted.answer = answer
    monkeypatch.setattr(http, "PATIENCE", 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scripted_client.queues() == []


def test_half_an_answer_is_asked_again(scripted, scripted_client):
    halves = [reply(b'{"queues":[]}')[:-4] + Scripted.CLOSE, b"HTTP/1.1 200" + Scripted.CLOSE, reply(b'{"queues":[]}')]
    scripted.answer = lambda method, target: halves.pop(0)
    assert scripted_client.queues() == []
    assert not halves


def test_what_may_have_been_done_is_not_asked_again(scripted, scripted_client):
    scripted.answer = lambda method, target: Scripted.CLOSE
    with pytest.raises(ControllerUnavailable, match="does not answer"):
        scripted_client.resubmit("job-1")
    assert [target for _, target in scripted.requests].count("/jobs/job-1/resubmit") == 1


def test_a_submit_is_repeated_under_the_same_run_id(scripted, scripted_client):
    raw = {"id": "x-1", "name": "x", "user": "me", "kind": "cell", "state": "PENDING", "backend": "l", "created_at": 1}
    answers = [Scripted.CLOSE, reply(json.dumps(raw).encode())]
    scripted.answer = lambda method, target: answers.pop(0)
    assert scripted_client.submit({"source": {"kind": "cell", "text": "1"}}).id == "x-1"
    assert scripted.requests.count(("POST", "/jobs")) == 2


def test_nonsense_is_no_answer(scripted, scripted_client):
    scripted.answer = lambda method, target: b"SSH-2.0-OpenSSH\r\n\r\n" + Scripted.CLOSE
    with pytest.raises(ControllerUnavailable):
        scripted_client.queues()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_an_interrupted_connection_is_not_used_again(scripted, scripted_client, monkeypatch, error):
    """Ctrl-C between the request and its answer: the answer must not reach the next request."""
    scripted_client.health()
    (connection,) = scripted_client.inner.session._idle

    async def interrupted(timeout):
        raise error

    monkeypatch.setattr(connection.stream, "read", interrupted)
    with pytest.raises(error):
        scripted_client.queues()
    assert scripted_client.health()["pid"] == 1
    assert scripted.connections == 2


def test_threads_share_a_client(scripted, scripted_client):
    scripted.answer = lambda method, target: reply(json.dumps({"queues": [{"name": "q", "backend": target}]}).encode())
    wrong = []

    def ask():
        for _ in range(50):
            if scripted_client.queues()[0].backend != "/queues" or scripted_client.health()["pid"] != 1:
                wrong.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert scripted.connections <= 8


def test_a_forked_child_makes_its_own_connection(scripted, scripted_client):
    scripted_client.health()
    child = os.fork()
    if child == 0:
        os._exit(0 if scripted_client.health()["pid"] == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert scripted_client.health()["pid"] == 1
    assert scripted.connections == 2


def test_an_answer_before_the_body_was_read(scripted, scripted_client, monkeypatch):
    """A refusal of a large upload is raised as such, though sending broke off."""
    session = scripted_client.inner.session
    scripted_client.health()
    problem = {"status": 413, "code": "too-large", "detail": "5 MB, at most 1 MB"}
    scripted.answer = lambda method, target: reply(json.dumps(problem).encode(), b"413 Too Large") + Scripted.CLOSE

    async def broken(data, timeout):
        await write(data, timeout)
        raise BrokenPipeError

    (connection,) = session._idle
    write = connection.stream.write
    monkeypatch.setattr(connection.stream, "write", broken)
    with pytest.raises(TooLarge, match="at most 1 MB"):
        drive(session.call("POST", "/jobs", b"x", repeatable=True))


@pytest.mark.parametrize(
    ("status", "problem", "expected"),
    [
        (
            b"422 X",
            {"code": "invalid-spec", "detail": "gpu: no", "problems": [{"field": "gpu", "message": "no"}]},
            InvalidSpec,
        ),
        (b"409 X", {"code": "conflict", "title": "Conflict"}, Conflict),
        (b"403 X", {"code": "of-tomorrow", "detail": "no"}, NotAuthorized),
        (b"404 X", None, NotFound),
        (b"502 Bad Gateway", None, ControllerUnavailable),
    ],
)
def test_refusals_are_raised_by_their_code(scripted, scripted_client, status, problem, expected):
    body = b"<html>proxy</html>" if problem is None else json.dumps(problem).encode()
    scripted.answer = lambda method, target: reply(body, status)
    with pytest.raises(expected) as caught:
        scripted_client.queues()
    assert type(caught.value) is expected
    assert list(caught.value.problems) == ([("gpu", "no")] if expected is InvalidSpec else [])


def test_no_controller_and_none_to_be_started(home):
    with Client(config.load(), start=False) as client, pytest.raises(ControllerUnavailable, match="is not running"):
        client.queues()


def test_a_url_where_nothing_listens():
    settings = config.load(url="http://127.0.0.1:9")
    with Client(settings) as client, pytest.raises(ControllerUnavailable, match=r"127\.0\.0\.1:9 does not answer"):
        client.queues()


async def exchanged(session, *asked, read=True, **more):
    async with session.exchange(*asked, **more) as answer:
        return answer.status, answer.headers, await answer.body() if read else b""


def test_an_exchange_gives_refusals_as_they_are(scripted, scripted_client):
    session = scripted_client.inner.session
    scripted.answer = lambda method, target: reply(b'{"code":"not-found"}', b"404 Not Found")
    for _ in range(2):
        status, headers, body = drive(exchanged(session, "GET", "/jobs/a%2Fb?x=%20", headers=(("accept", "a/b"),)))
        assert (status, headers["content-length"], body) == (404, "20", b'{"code":"not-found"}')
    assert scripted.requests[-1] == ("GET", "/jobs/a%2Fb?x=%20")
    assert scripted.headers[-1]["accept"] == "a/b"
    assert scripted.connections == 1


def test_an_exchange_that_is_left_early_closes_its_connection(scripted, scripted_client):
    session = scripted_client.inner.session
    scripted.answer = lambda method, target: reply(b"{}")
    for _ in range(2):
        drive(exchanged(session, "GET", "/jobs", read=False))
    assert scripted.connections == 2


def test_an_exchange_is_tried_again_until_its_answer_has_begun(scripted, scripted_client):
    session = scripted_client.inner.session
    answers = [Scripted.CLOSE, Scripted.CLOSE, reply(b"whole")]
    scripted.answer = lambda method, target: answers.pop(0)
    assert drive(exchanged(session, "GET", "/jobs"))[2] == b"whole"
    answers[:] = [reply(b"whole")[:-1] + Scripted.CLOSE, reply(b"whole")]
    with pytest.raises(http.LostError):
        drive(exchanged(session, "GET", "/jobs"))
    answers[:] = [Scripted.CLOSE, reply(b"done twice")]
    with pytest.raises(ControllerUnavailable, match="does not answer") as raised:
        drive(exchanged(session, "POST", "/jobs", b"{}", repeatable=False))
    assert raised.value.command == "qwex controller logs"


def test_a_cancellation_that_comes_with_the_answer_is_not_forgotten():
    async def main():
        told = asyncio.get_running_loop().create_future()
        reading = asyncio.ensure_future(_within(10, told))
        await asyncio.sleep(0)
        told.set_result(b"data")
        reading.cancel()
        await asyncio.wait({reading})
        return reading.cancelled()

    assert asyncio.run(main())
