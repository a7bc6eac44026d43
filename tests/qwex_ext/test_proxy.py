"""The proxy: what passes and what does not, chunk by chunk, and who may ask."""

from __future__ import annotations

import asyncio
import json

import pytest
from tornado.simple_httpclient import HTTPStreamClosedError
from upstreams import HEALTH, begin, chunk, whole

from qwex.errors import NotFound
from qwex_ext.proxy import target

SECONDS = 60


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", ""),
        ("1764000000000", ""),
        ("token=s&state=RUNNING", "?state=RUNNING"),
        ("name=a%2Fb%20c+d&x&&y=1&1764000000000", "?name=a%2Fb%20c+d&x&&y=1"),
        ("_xsrf=2|a|b&%74oken=s&tokens=1&12=3", "?tokens=1&12=3"),
    ],
)
def test_the_query_is_kept_but_for_what_is_jupyters(query, kept):
    assert target("/jobs", query) == f"/jobs{kept}"


@pytest.mark.parametrize("path", ["/../admin", "/jobs/%2e%2E/admin", "/jobs/a%2f..%2fb", "/./jobs"])
def test_no_path_leads_out(path):
    with pytest.raises(NotFound):
        target(path, "")


async def test_bytes_of_the_target_are_kept(upstream, ask, jp_auth_header):
    token = jp_auth_header["Authorization"].removeprefix("token ")
    await ask(f"qwex/api/jobs/a%2Fb/values/%C3%A9?name=x%20y+z&token={token}&1764000000000", headers={})
    assert upstream.asked[0].target == "/jobs/a%2Fb/values/%C3%A9?name=x%20y+z"


async def test_headers_that_pass_and_that_do_not(upstream, ask, jp_auth_header):
    upstream.answer = whole(b"{}", "x-qwex-digest: sha256:1", "set-cookie: a=b", "location: http://elsewhere/")
    sent = {
        **jp_auth_header,
        "Cookie": "a=b",
        "X-XSRFToken": "2|a|b",
        "Accept": "application/yaml",
        "Last-Event-ID": "7",
        "Idempotency-Key": "k",
        "Connection": "keep-alive, x-other",
        "X-Other": "1",
    }
    answer = await ask("qwex/api/jobs", headers=sent)
    headers = upstream.asked[0].headers
    assert (headers["accept"], headers["last-event-id"], headers["idempotency-key"]) == ("application/yaml", "7", "k")
    assert not {"authorization", "cookie", "x-xsrftoken", "connection", "x-other"} & set(headers)
    assert answer.headers["X-Qwex-Digest"] == "sha256:1"
    assert "Set-Cookie" not in answer.headers or "a=b" not in answer.headers["Set-Cookie"]
    assert "Location" not in answer.headers


@pytest.mark.parametrize(
    ("media_type", "is_shown"),
    [
        ("application/json", True),
        ("text/plain; charset=utf-8", True),
        ("application/octet-stream", False),
        ("text/html", False),
        ("image/svg+xml", False),
    ],
)
async def test_what_a_job_wrote_is_no_page(upstream, ask, media_type, is_shown):
    upstream.answer = whole(b"<script>", "content-disposition: inline", media_type=media_type)
    answer = await ask("qwex/api/jobs/a-1/values/x")
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers.get("Content-Disposition", "inline").startswith("attachment") is not is_shown
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_every_verb_of_the_api(upstream, ask):
    for method, body in [("GET", None), ("HEAD", None), ("POST", b"{}"), ("PUT", b"x" * 10), ("DELETE", None)]:
        answer = await ask("qwex/api/blobs/sha256:0", method, body)
        assert answer.code == 200
        assert upstream.asked[-1].method == method
        assert upstream.asked[-1].body == (body or b"")
        assert answer.body == (b"" if method == "HEAD" else b"{}")
        assert answer.headers["Content-Length"] == "2"


async def test_a_refusal_stays_as_the_controller_wrote_it(upstream, ask):
    body = b'{"code":"conflict","detail":"\xc3\xa9"}'
    upstream.answer = whole(body, status="409 Conflict", media_type="application/problem+json")
    answer = await ask("qwex/api/jobs", "POST", b"{}")
    assert (answer.code, answer.body) == (409, body)
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_chunks_arrive_before_the_end(upstream, browser):
    go_on = asyncio.Event()

    async def answer(asked, reader, writer):
        begin(writer)
        chunk(writer, b"id: 1\ndata: first\n\n")
        await go_on.wait()
        chunk(writer, b"id: 2\ndata: last\n\n")
        chunk(writer, b"")

    upstream.answer = answer
    reader, _ = await browser("qwex/api/jobs/a-1/events")
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)).decode().lower()
    assert "content-type: text/event-stream" in head
    assert "cache-control: no-store" in head
    assert "x-accel-buffering: no" in head
    assert b"first" in await asyncio.wait_for(reader.readuntil(b"\n\n"), SECONDS)
    go_on.set()
    assert b"last" in await asyncio.wait_for(reader.readuntil(b"\r\n0\r\n\r\n"), SECONDS)


@pytest.mark.parametrize("target", ["qwex/api/jobs/\u00e9", "qwex/api/jobs?name=\u00e9"])
async def test_a_target_that_is_no_url_is_refused(upstream, browser, target):
    reader, _ = await browser(target)
    assert b" 400 " in await asyncio.wait_for(reader.readline(), SECONDS)
    assert upstream.asked == []


async def test_the_head_of_a_stream_does_not_wait_for_its_first_event(upstream, browser):
    async def answer(asked, reader, writer):
        begin(writer)
        await reader.read()

    upstream.answer = answer
    reader, _ = await browser("qwex/api/jobs/a-1/events")
    assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)


@pytest.mark.parametrize("begins", [True, False])
async def test_who_leaves_ends_the_exchange(upstream, browser, begins):
    asked, gone = asyncio.Event(), asyncio.Event()

    async def answer(_, reader, writer):
        if begins:
            begin(writer)
            chunk(writer, b": subscribed\n\n")
        asked.set()
        await reader.read()
        gone.set()

    upstream.answer = answer
    reader, writer = await browser("qwex/api/events")
    await asyncio.wait_for(asked.wait(), SECONDS)
    if begins:
        await asyncio.wait_for(reader.readuntil(b"subscribed"), SECONDS)
    writer.close()
    await asyncio.wait_for(gone.wait(), SECONDS)


async def test_a_slow_reader_holds_the_controller_back(upstream, browser):
    """What nobody has read yet is not gathered in the Jupyter server."""
    size, sent, read, ahead = 64 << 20, 0, 0, 0

    async def answer(asked, reader, writer):
        nonlocal sent
        begin(writer, media_type="application/octet-stream")
        while sent < size:
            chunk(writer, bytes(1 << 16))
            await writer.drain()
            sent += 1 << 16
        chunk(writer, b"")

    upstream.answer = answer
    reader, _ = await browser("qwex/api/jobs/a-1/values/x")
    while read < size:
        read += len(await asyncio.wait_for(reader.read(1 << 17), SECONDS))
        ahead = max(ahead, sent - read)
        for _ in range(10):
            await asyncio.sleep(0)
    assert ahead < size // 3


async def test_an_answer_cut_short_does_not_look_whole(upstream, ask):
    async def answer(asked, reader, writer):
        begin(writer, media_type="application/octet-stream")
        chunk(writer, b"half")
        await writer.drain()
        writer.close()

    upstream.answer = answer
    with pytest.raises(HTTPStreamClosedError):
        await ask("qwex/api/jobs/a-1/values/x")


async def test_large_bodies_go_up_and_down(upstream, ask):
    data = bytes(range(256)) * (8 << 12)

    async def answer(asked, reader, writer):
        begin(writer, media_type="application/octet-stream")
        chunk(writer, asked.body)
        chunk(writer, b"")

    upstream.answer = answer
    assert (await ask("qwex/api/blobs/sha256:0", "PUT", data)).body == data
    upstream.answer = whole(data, media_type="application/octet-stream")
    answer = await ask("qwex/api/jobs/a-1/values/x")
    assert answer.body == data
    assert answer.headers["Content-Length"] == str(len(data))


async def test_what_may_be_done_twice_is_asked_again(upstream, ask, jp_auth_header):
    async def lose(asked, reader, writer):
        writer.close()
        upstream.answer = whole(b"{}")

    for method, body, headers in [("GET", None, {}), ("POST", b"{}", {"Idempotency-Key": "k"})]:
        upstream.answer = lose
        assert (await ask("qwex/api/jobs", method, body, headers={**jp_auth_header, **headers})).code == 200
    upstream.asked.clear()
    upstream.answer = lose
    answer = await ask("qwex/api/jobs/a-1/resubmit", "POST", b"{}")
    assert answer.code == 503
    assert len(upstream.asked) == 1
    problem = json.loads(answer.body)
    assert problem["code"] == "controller-unavailable"
    assert problem["command"] == "qwex controller logs"


async def test_a_controller_of_another_language_is_told(upstream, ask):
    upstream.health |= {"version": "0.0.1", "api": 2}
    upstream.answer = whole(b'{"jobs":[],"total":1}')
    answer = await ask("qwex/api/jobs")
    problem = json.loads(answer.body)
    assert answer.code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["command"] == "qwex controller stop"
    assert {"type", "title", "status", "detail", "code", "problems"} <= set(problem)
    assert problem["status"] == 503


async def test_a_busy_controller_of_another_version_is_told_and_used(upstream, ask, bus):
    heard = await bus()
    upstream.health["version"] = "0.0.1"
    upstream.answer = whole(b'{"jobs":[],"total":1}')
    assert (await ask("qwex/api/jobs")).code == 200
    kind, event = await heard()
    assert (kind, event["controller"]) == ("feed", "own")
    assert "your controller is qwex 0.0.1" in event["notice"]


async def test_settings_that_cannot_be_read(home, ask):
    file = home.parent / "c" / "qwex" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("ur = 1\n")
    answer = await ask("qwex/api/jobs")
    problem = json.loads(answer.body)
    assert (answer.code, problem["code"], problem["command"]) == (503, "bad-configuration", "qwex config")
    file.write_text("")
    assert (await ask("qwex/api/healthz")).code == 200


async def test_a_missing_controller_is_started(home, ask):
    answer = await ask("qwex/api/healthz")
    assert json.loads(answer.body)["version"] == HEALTH["version"]
    assert (home / "controller.sock").exists()
    answer = await ask("qwex/api/nothing")
    assert (answer.code, json.loads(answer.body)["code"]) == (404, "not-found")


async def test_what_a_page_asks_by_itself_starts_none(home, ask, jp_auth_header):
    answer = await ask("qwex/api/jobs", headers={**jp_auth_header, "Qwex-Start": "no"})
    said = json.loads(answer.body)
    assert (answer.code, said["detail"], said["command"]) == (
        503,
        "your controller is not running",
        "qwex controller start",
    )
    assert not home.exists()


async def test_a_url_where_nothing_listens(ask, monkeypatch):
    monkeypatch.setenv("QWEX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("QWEX_TOKEN", "of-the-user-alone")
    answer = await ask("qwex/api/jobs")
    problem = json.loads(answer.body)
    assert (answer.code, problem["command"]) == (503, "qwex config")
    assert "Check QWEX_URL" in problem["detail"]
    assert b"of-the-user-alone" not in answer.body
