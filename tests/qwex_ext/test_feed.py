"""Changes of jobs on Jupyter's event bus, heard as a browser hears them."""

from __future__ import annotations

import asyncio
import json

import pytest
from upstreams import begin, chunk, whole

from qwex.client import daemon
from qwex_ext import feed

RECORD = {"id": "a-1", "name": "a", "user": "ann", "kind": "cell", "state": "RUNNING", "backend": "local"} | {
    "created_at": 1.0, "message": "secret", "tags": {"k": "secret"}, "queue": None, "attempt": 2, "of_tomorrow": 1,
}  # fmt: skip
OWN = {"connected": True, "controller": "own", "message": "", "command": ""}
NEVER = {"connected": False, "controller": "own", "beginning": ""}


@pytest.fixture
def changes(upstream):
    """What the controller tells its one subscriber: bytes, or None for the end of the connection."""
    told: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def tell(writer):
        while data := await told.get():
            chunk(writer, data)
        writer.close()

    async def answer(asked, reader, writer):
        begin(writer)
        chunk(writer, b": subscribed\n\n")
        telling = asyncio.ensure_future(tell(writer))
        try:
            await reader.read()
        except OSError:
            pass  # it left while there was more to read
        finally:
            telling.cancel()

    upstream.answer = answer
    return told


def change(**changed) -> bytes:
    return b"event: job\ndata: %b\n\n" % json.dumps({**RECORD, **changed}).encode()


async def beginning(heard) -> str:
    """That of the feed, which the bus says next."""
    kind, said = await heard()
    assert (kind, said) == ("feed", {**OWN, "beginning": said["beginning"], "told": said["told"], "notice": ""})
    return said["beginning"]


async def test_a_browser_learns_whether_the_bus_reaches_it(changes, bus, post):
    heard = await bus()
    status, said = await post("qwex/feed", {})
    assert (status, said) == (200, {**OWN, "beginning": await beginning(heard)})


async def test_changes_and_no_more_than_everybody_may_see(changes, upstream, bus, post):
    heard = await bus()
    await post("qwex/feed", {})
    changes.put_nowait(change() + change(state="FAILED", reason="ExitCode"))
    expected = {"id": "a-1", "name": "a", "user": "ann", "state": "RUNNING", "reason": "", "attempt": 2, "queue": None}
    events = [await heard() for _ in range(4)]
    assert [kind for kind, _ in events] == ["feed", "feed", "job", "job"]
    assert events[2][1] == {**expected, "backend": "local"}
    assert events[3][1] == {**expected, "backend": "local", "state": "FAILED", "reason": "ExitCode"}
    assert [asked.target for asked in upstream.asked] == ["/events?keep=0&kinds=job,machine"]


async def test_machines_and_what_this_version_does_not_know(changes, bus, post):
    heard = await bus()
    await post("qwex/feed", {})
    about = {"id": "train-abcdef", "name": "train", "user": "ann"}
    said = {**about, "state": "QUEUED", "reason": "", "message": "secret", "doing": ["python3"], "door": {"pod": "p"}}
    for kind, data in (("of-tomorrow", {}), ("machine", said), ("machine-gone", about)):
        changes.put_nowait(b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps(data).encode()))
    events = [await heard() for _ in range(4)]
    assert [kind for kind, _ in events] == ["feed", "feed", "machine", "machine"]
    assert events[2][1] == {**about, "state": "QUEUED", "reason": ""}
    assert events[3][1] == {**about, "state": None, "reason": ""}


async def test_one_subscription_for_all_browsers(changes, upstream, bus, post):
    first, second = await bus(), await bus()
    await asyncio.gather(*(post("qwex/feed", {}) for _ in range(5)))
    changes.put_nowait(change())
    for heard in (first, second):
        while (await heard())[0] != "job":
            pass
    assert len(upstream.asked) == 1


async def test_every_beginning_is_told_so_that_browsers_ask_anew(changes, bus, post):
    heard = await bus()
    await post("qwex/feed", {})
    first = await beginning(heard)
    assert await beginning(heard) == first  # the answer to the greeting
    changes.put_nowait(None)
    assert await beginning(heard) != first
    changes.put_nowait(change())
    assert (await heard())[0] == "job"


async def test_a_frame_that_is_none_does_not_end_the_feed(changes, bus, post):
    heard = await bus()
    await post("qwex/feed", {})
    changes.put_nowait(b"event: job\ndata: {\n\n")
    assert len({await beginning(heard) for _ in range(3)}) == 2
    changes.put_nowait(change())
    assert (await heard())[0] == "job"


async def test_a_refusal_is_told(upstream, post):
    problem = {"status": 403, "code": "not-authorized", "detail": "check QWEX_TOKEN"}
    upstream.answer = whole(json.dumps(problem).encode(), status="403 Forbidden")
    expected = {**NEVER, "message": "check QWEX_TOKEN", "command": "qwex config"}
    assert await post("qwex/feed", {}) == (200, expected)


async def test_no_controller_is_started_for_it(home, post):
    expected = {**NEVER, "message": "your controller is not running", "command": "qwex controller start"}
    assert await post("qwex/feed", {}) == (200, expected)
    assert not home.exists()


async def test_no_controller_of_another_version_is_ended_for_it(changes, upstream, post, monkeypatch):
    upstream.health |= {"version": "0.0.1", "pid": -1}
    monkeypatch.setattr(daemon, "end", lambda folder, pid: pytest.fail("it was ended"))
    assert (await post("qwex/feed", {}))[1]["connected"]


async def test_a_controller_that_goes_and_comes_back(home, bus, ask, post):
    heard = await bus()
    await post("qwex/feed", {})
    assert not (await heard())[1]["connected"]
    pid = json.loads((await ask("qwex/api/healthz")).body)["pid"]
    while not (await heard())[1]["connected"]:
        pass
    await asyncio.to_thread(daemon.end, home, pid)
    kind, gone = await heard()
    assert (kind, gone["connected"], gone["command"]) == ("feed", False, "qwex controller start")
    again = json.loads((await ask("qwex/api/healthz")).body)["pid"]
    assert again != pid
    assert await beginning(heard)


async def test_a_url(post, monkeypatch):
    monkeypatch.setenv("QWEX_URL", "http://127.0.0.1:9")
    status, said = await post("qwex/feed", {})
    assert (status, said["connected"], said["controller"], said["command"]) == (200, False, "url", "qwex config")
    assert "127.0.0.1:9" in said["message"]


async def test_the_end_does_not_wait_for_a_controller_that_says_nothing(upstream, post, jp_serverapp):
    asked = asyncio.Event()

    async def silent(_, reader, writer):
        asked.set()
        await reader.read()

    upstream.answer = silent
    begun = asyncio.ensure_future(post("qwex/feed", {}))
    await asyncio.wait_for(asked.wait(), 60)
    app = jp_serverapp.extension_manager.extension_points["qwex"].app
    await asyncio.wait_for(app.stop_extension(), 60)
    assert (await begun)[1]["connected"] is False


async def test_what_people_should_know_once(changes, bus, post, jp_serverapp):
    heard = await bus()
    await post("qwex/feed", {})
    first = {await beginning(heard) for _ in range(2)}
    jp_serverapp.web_app.settings["qwex_service"].feed.tell("your controller was replaced")
    kind, said = await heard()
    assert (kind, said["connected"], said["notice"]) == ("feed", True, "your controller was replaced")
    assert {said["beginning"]} == first


async def test_the_bus_is_never_silent_for_long_and_says_how_much_was_told(changes, bus, post, monkeypatch):
    monkeypatch.setattr(feed, "_BEAT", 0.01)
    heard = await bus()
    await post("qwex/feed", {})
    told = [(await heard())[1]["told"] for _ in range(5)]
    changes.put_nowait(change())
    while (said := await heard())[0] != "job":
        told.append(said[1]["told"])
    assert set(told) == {0}
    assert (await heard())[1]["told"] == 1
