"""Objects in a folder: what the contract's kit cannot see."""

from __future__ import annotations

import os
import time

import pytest
from qwex_local.filestore import FileStore

from qwex.artifacts import StoreContext
from qwex.errors import ConfigError, InvalidSpec, NotFound

pytestmark = pytest.mark.anyio


def made(folder):
    return FileStore(StoreContext(folder.as_uri(), folder))


async def chunks(*parts):
    for part in parts:
        yield part


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


async def test_an_object_is_a_file_for_its_owner_alone(tmp_path):
    folder = tmp_path / "a folder"
    store = made(folder)
    await store.start()
    assert await store.put("users/ada/x", chunks(b"ab", b"c"))
    assert (folder / "users/ada/x").read_bytes() == b"abc"
    assert (folder / "users/ada/x").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == (folder / "users").stat().st_mode & 0o777 == 0o700
    assert await store.url("users/ada/x", 60) == f"file://{tmp_path}/a%20folder/users/ada/x"


async def test_a_broken_upload_leaves_nothing(tmp_path):
    async def broken():
        yield b"ri"
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await made(tmp_path).put("x", broken())
    assert files(tmp_path) == []


async def test_what_a_killed_process_left_goes_when_it_is_old(tmp_path):
    store = made(tmp_path)
    await store.start()
    for name, age in (("old", 90_000), ("new", 0)):
        (tmp_path / "parts~" / name).write_bytes(b"half")
        os.utime(tmp_path / "parts~" / name, (time.time() - age,) * 2)
    await made(tmp_path).start()
    assert files(tmp_path) == ["parts~/new"]
    assert [found async for found in store.list()] == []
    os.utime(tmp_path / "parts~" / "new", (time.time() - 90_000,) * 2)
    await store.tidy()
    assert files(tmp_path) == []


async def test_where_there_are_no_links_a_taken_name_is_found_all_the_same(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError("no links on this file system")

    monkeypatch.setattr(os, "link", refused)
    store = made(tmp_path)
    assert await store.put("x", chunks(b"1"))
    assert not await store.put("x", chunks(b"2"))
    assert files(tmp_path) == ["x"]


async def test_a_folder_is_no_object(tmp_path):
    store = made(tmp_path)
    await store.put("a/b", chunks(b"x"))
    assert await store.stat("a") is None
    with pytest.raises(NotFound, match="has no a"):
        await anext(store.get("a"))


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "a//b", "a/./b", "", "a~b", "a\nb"])
async def test_a_key_is_never_a_path(tmp_path, key):
    with pytest.raises(InvalidSpec, match="no name for an object"):
        await made(tmp_path).stat(key)


@pytest.mark.parametrize("url", ["file://host/folder", "file:folder", "file://"])
def test_a_url_that_names_no_folder_here(tmp_path, url):
    with pytest.raises(ConfigError, match="write file:///folder"):
        FileStore(StoreContext(url, tmp_path))


async def test_a_place_that_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is no folder"):
        await made(tmp_path / "file" / "store").start()
