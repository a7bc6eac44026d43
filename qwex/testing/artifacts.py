"""The conformance kit of an artifact store: scenarios numbered as in plugins/README.md."""

from __future__ import annotations

import asyncio
import urllib.request
from typing import TYPE_CHECKING

import pytest

from qwex.errors import ArtifactsUnavailable, ConfigError, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from qwex.artifacts import ArtifactStore

__all__ = ["ArtifactStoreContract"]

#: The large one is more than any store takes in one piece.
OBJECTS = {"empty": b"", "binary": bytes(range(256)), "large": b"0123456789abcdef" * 1_100_000}


@pytest.mark.anyio
class ArtifactStoreContract:
    """Everything an artifact store must do. Define the fixture ``store_factory``."""

    #: False where the place only looks whether a key is taken and then writes: several may be told True then.
    exclusive = True

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The controller runs on asyncio."""
        return "asyncio"

    @pytest.fixture
    def store_factory(self) -> Callable[[], ArtifactStore]:
        """Makes a new instance over the same place each time it is called."""
        pytest.fail("the fixture 'store_factory' is not defined: return a function that makes your store")

    @pytest.fixture
    def unusable(self) -> ArtifactStore:
        """An instance whose place cannot be used; without one, its scenario is skipped."""
        pytest.skip("the fixture 'unusable' is not defined")

    @pytest.fixture
    async def store(self, store_factory: Callable[[], ArtifactStore]) -> AsyncIterator[ArtifactStore]:
        """A store that has nothing of these tests."""
        store = store_factory()
        await store.start()
        yield store
        await store.close()

    @pytest.mark.parametrize("data", OBJECTS.values(), ids=OBJECTS.keys())
    async def test_a1_round_trip(self, store: ArtifactStore, data: bytes) -> None:
        """What was put is there with its size, and comes back byte for byte, whatever that is."""
        assert await store.stat("a1/object") is None
        assert await store.put("a1/object", _chunks(data))
        found = await store.stat("a1/object")
        assert found
        assert (found.key, found.size) == ("a1/object", len(data))
        assert found.modified > 0
        assert await _read(store, "a1/object") == data

    async def test_a2_unknown(self, store: ArtifactStore) -> None:
        """What is not there has no ``stat`` and is NotFound to ``get``; removing it is no error."""
        assert await store.stat("a2/nowhere") is None
        with pytest.raises(NotFound):
            await _read(store, "a2/nowhere")
        await store.delete(["a2/nowhere"])

    async def test_a3_taken(self, store: ArtifactStore) -> None:
        """A key that is taken is left alone and said to be, unless ``replace`` was asked for."""
        for size in (10, 9 << 20):
            first, second = b"1" * size, b"2" * size
            assert await store.put(f"a3/{size}", _chunks(first))
            assert not await store.put(f"a3/{size}", _chunks(second))
            assert await _read(store, f"a3/{size}") == first
            assert await store.put(f"a3/{size}", _chunks(second), replace=True)
            assert await _read(store, f"a3/{size}") == second

    @pytest.mark.parametrize("name", ["binary", "large"])
    async def test_a4_interrupted(self, store: ArtifactStore, name: str) -> None:
        """What a sender broke off is not there, its error comes out, and it can be put again."""
        data = OBJECTS[name]
        with pytest.raises(ConnectionResetError):
            await store.put("a4/object", _chunks(data, break_off=True))
        assert await store.stat("a4/object") is None
        assert await store.put("a4/object", _chunks(data))
        with pytest.raises(ConnectionResetError):
            await store.put("a4/object", _chunks(b"other" + data, break_off=True), replace=True)
        assert await _read(store, "a4/object") == data

    async def test_a5_at_once(self, store_factory: Callable[[], ArtifactStore]) -> None:
        """Of sixteen who put one key at once, one is told True, and the object is theirs."""
        stores = [store_factory(), store_factory()]
        for store in stores:
            await store.start()
        puts = (stores[n % 2].put("a5/object", _chunks(b"%02d" % n * 100)) for n in range(16))
        winners = [n for n, first in enumerate(await asyncio.gather(*puts)) if first]
        assert len(winners) == 1 or (winners and not self.exclusive)
        assert await _read(stores[0], "a5/object") in [b"%02d" % winner * 100 for winner in winners]

    async def test_a6_new_instance(self, store_factory: Callable[[], ArtifactStore]) -> None:
        """A new instance over the same place has what an earlier one was given."""
        first, second = store_factory(), store_factory()
        for store in (first, second):
            await store.start()
        await first.put("a6/object", _chunks(OBJECTS["binary"]))
        assert await _read(second, "a6/object") == OBJECTS["binary"]

    async def test_a7_from_the_middle(self, store: ArtifactStore) -> None:
        """``get`` begins where it is told to; at the end there is nothing."""
        data = OBJECTS["large"]
        await store.put("a7/object", _chunks(data))
        assert await _read(store, "a7/object", 9 << 20) == data[9 << 20 :]
        assert await _read(store, "a7/object", len(data) - 1) == data[-1:]
        assert await _read(store, "a7/object", len(data)) == b""

    async def test_a8_url(self, store: ArtifactStore) -> None:
        """``url`` is an address from which anybody reads the object, or None."""
        await store.put("a8/object", _chunks(OBJECTS["binary"]))
        url = await store.url("a8/object", 60)
        if url is not None:
            assert url.startswith(("file://", "http://", "https://"))
            with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
                assert answer.read() == OBJECTS["binary"]

    async def test_a9_url_to_write(self, store: ArtifactStore) -> None:
        """``url`` with PUT is an address to which anybody sends the object, or None."""
        url = await store.url("a9/object", 60, "PUT")
        if url is not None:
            request = urllib.request.Request(url, OBJECTS["binary"], method="PUT")  # noqa: S310 - as the store gave it
            (await asyncio.to_thread(urllib.request.urlopen, request)).close()
            assert await _read(store, "a9/object") == OBJECTS["binary"]

    async def test_b1_list(self, store: ArtifactStore) -> None:
        """``list`` gives what is below a folder, by whole parts of the key, each once with its size."""
        for key in ("b1/x/1", "b1/x/deep/2", "b1/xy/3", "b1/x.4"):
            await store.put(key, _chunks(key.encode()))
        for prefix, keys in {"b1/x": ["b1/x/1", "b1/x/deep/2"], "b1/none": []}.items():
            found = sorted([(each.key, each.size) async for each in store.list(prefix)])
            assert found == [(key, len(key)) for key in keys]
        assert {"b1/x.4", "b1/xy/3"} <= {each.key async for each in store.list()}

    async def test_b2_delete(self, store: ArtifactStore) -> None:
        """``delete`` removes all it is given, passes over what is not there, and nothing else."""
        keys = [f"b2/{number}" for number in range(20)]
        for key in keys:
            await store.put(key, _chunks(b"x"))
        await store.delete([*keys[:9], "b2/nowhere", *keys[9:19]])
        assert [each.key async for each in store.list("b2")] == ["b2/19"]
        await store.delete([])

    async def test_b3_files(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Many files go there and come back as they were, small, large and empty."""
        files = _files(tmp_path)
        assert await store.put_files(files) == set(files)
        back = {key: tmp_path / "back" / key for key in files}
        await store.get_files(back)
        assert {key: path.read_bytes() for key, path in back.items()} == {
            key: path.read_bytes() for key, path in files.items()
        }

    async def test_b4_files_again(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Files that are there already are left alone, and those that are not yet are sent."""
        files = _files(tmp_path)
        keys = sorted(files)
        await store.put_files({key: files[key] for key in keys[::2]})
        assert await store.put_files(files) == set(keys[1::2])
        assert await store.put_files(files) == set()
        (tmp_path / "new").write_bytes(b"new")
        assert await store.put_files({keys[0]: tmp_path / "new"}, replace=True) == {keys[0]}
        assert await _read(store, keys[0]) == b"new"

    async def test_b5_files_that_are_not_there(self, store: ArtifactStore, tmp_path: Path) -> None:
        """Fetching a file that is not there is NotFound, and leaves no piece of it."""
        with pytest.raises(NotFound):
            await store.get_files({"b5/nowhere": tmp_path / "back" / "file"})
        assert not any(await asyncio.to_thread(lambda: list(tmp_path.glob("back/*"))))

    async def test_b6_unusable(self, unusable: ArtifactStore) -> None:
        """A place that cannot be used is said to be so at the start."""
        with pytest.raises((ConfigError, ArtifactsUnavailable)):
            await unusable.start()


def _files(folder: Path) -> dict[str, Path]:
    contents = {f"b/{number % 3}/{number}": b"%d" % number * 1000 for number in range(100)}
    contents |= {"b/empty": b"", "b/large": OBJECTS["large"]}
    files = {key: folder / "files" / key for key in contents}
    for key, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents[key])
    return files


async def _chunks(data: bytes, *, break_off: bool = False) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 1 << 20):
        yield data[start : start + (1 << 20)]
    if break_off:
        raise ConnectionResetError("the sender is gone")


async def _read(store: ArtifactStore, key: str, start: int = 0) -> bytes:
    return b"".join([chunk async for chunk in store.get(key, start)])
