"""Blobs on disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from qwex_local.filestore import FileStore

from qwex.errors import InvalidSpec, NotFound

pytestmark = pytest.mark.anyio


def digest_of(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def chunks(*parts):
    for part in parts:
        yield part


async def test_a_blob_comes_back_whole(tmp_path):
    store, data = FileStore(tmp_path / "blobs"), b"a" * 3_000_000
    digest = digest_of(data)
    assert not await store.exists(digest)
    await store.put(digest, chunks(data[:10], data[10:]))
    await store.put(digest, chunks(data))
    assert await store.exists(digest)
    assert b"".join([chunk async for chunk in store.get(digest)]) == data
    url = await store.url(digest)
    assert url.startswith("file:///")
    assert Path(url.removeprefix("file://")).read_bytes() == data


async def test_other_bytes_than_promised_leave_nothing(tmp_path):
    store, digest = FileStore(tmp_path), digest_of(b"right")
    with pytest.raises(InvalidSpec, match="not sha256"):
        await store.put(digest, chunks(b"wrong"))
    assert not await store.exists(digest)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_broken_upload_leaves_nothing(tmp_path):
    async def broken():
        yield b"ri"
        raise ConnectionResetError

    store = FileStore(tmp_path)
    with pytest.raises(ConnectionResetError):
        await store.put(digest_of(b"right"), broken())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_what_is_not_there_is_said(tmp_path):
    store = FileStore(tmp_path)
    with pytest.raises(NotFound, match="no blob sha256"):
        await anext(store.get(digest_of(b"")))
    with pytest.raises(NotFound):
        await store.url(digest_of(b""))


@pytest.mark.parametrize("digest", ["../../etc/passwd", "sha256:../x", "md5:00", ""])
async def test_a_digest_is_never_a_path(tmp_path, digest):
    with pytest.raises(InvalidSpec, match="sha256"):
        await FileStore(tmp_path).exists(digest)
