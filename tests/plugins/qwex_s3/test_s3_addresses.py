"""Presigned addresses: they need no keys, and hold for no longer than they were made for."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from urllib.parse import parse_qs, urlsplit

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]


async def chunks(data):
    yield data


def status(url, method="GET", data=None):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


async def until_refused(url):
    """Its status once it is another than 200."""
    while (found := await asyncio.to_thread(status, url)) == 200:
        await asyncio.sleep(0.05)
    return found


async def test_an_address_expires(store):
    there = store()
    await there.put("x", chunks(b"x"))
    url = await there.url("x", 1)
    assert await asyncio.wait_for(until_refused(url), 30) == 403
    assert status(await there.url("x", 60)) == 200


async def test_an_address_is_for_one_thing(store):
    there = store()
    await there.put("x", chunks(b"x"))
    url = await there.url("x", 60)
    assert status(url, "PUT", b"other") == 403
    assert status(url.replace("/x?", "/y?")) == 403
    assert status(await there.url("new", 60, "PUT"), "PUT", b"new") == 200
    assert b"".join([chunk async for chunk in there.get("new")]) == b"new"


async def test_no_address_holds_for_longer_than_clouds_sign_for(store):
    url = await store().url("x", 10**9)
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["604800"]
