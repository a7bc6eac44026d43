"""The conformance kit of an artifact store: scenarios numbered as in plugins/README.md."""

from __future__ import annotations

import asyncio
import hashlib
import urllib.request
from typing import TYPE_CHECKING

import pytest

from qwex.errors import InvalidSpec, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from qwex.artifacts import ArtifactStore

__all__ = ["ArtifactStoreContract"]

BLOBS = {"empty": b"", "binary": bytes(range(256)), "large": b"0123456789abcdef" * 500_000}


@pytest.mark.anyio
class ArtifactStoreContract:
    """Everything an artifact store must do. Define the fixture ``store_factory``."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The controller runs on asyncio."""
        return "asyncio"

    @pytest.fixture
    def store_factory(self) -> Callable[[], ArtifactStore]:
        """Makes a new instance over the same place each time it is called."""
        pytest.fail("the fixture 'store_factory' is not defined: return a function that makes your store")

    @pytest.fixture
    def store(self, store_factory: Callable[[], ArtifactStore]) -> ArtifactStore:
        """An empty store."""
        return store_factory()

    @pytest.mark.parametrize("blob", BLOBS.values(), ids=BLOBS.keys())
    async def test_a1_round_trip(self, store: ArtifactStore, blob: bytes) -> None:
        """What was put is there and comes back byte for byte, whatever its size."""
        assert not await store.exists(_digest(blob))
        await store.put(_digest(blob), _chunks(blob))
        assert await store.exists(_digest(blob))
        assert await _read(store, _digest(blob)) == blob

    async def test_a2_unknown(self, store: ArtifactStore) -> None:
        """A blob that is not there does not exist, and is NotFound to ``get`` and ``url``."""
        digest = _digest(b"nowhere")
        assert not await store.exists(digest)
        with pytest.raises(NotFound):
            await _read(store, digest)
        with pytest.raises(NotFound):
            await store.url(digest)

    async def test_a3_wrong_digest(self, store: ArtifactStore) -> None:
        """Bytes that do not have the digest are InvalidSpec, and nothing is there afterwards."""
        digest = _digest(b"right")
        with pytest.raises(InvalidSpec):
            await store.put(digest, _chunks(b"wrong"))
        assert not await store.exists(digest)

    async def test_a4_interrupted(self, store: ArtifactStore) -> None:
        """A blob whose sender broke off is not there, and can be put again."""
        blob = BLOBS["binary"]
        with pytest.raises(ConnectionResetError):
            await store.put(_digest(blob), _chunks(blob, break_off=True))
        assert not await store.exists(_digest(blob))
        await store.put(_digest(blob), _chunks(blob))
        assert await _read(store, _digest(blob)) == blob

    async def test_a5_twice(self, store: ArtifactStore) -> None:
        """The same blob put several times, at once or later, is one blob."""
        blob = BLOBS["binary"]
        await asyncio.gather(*(store.put(_digest(blob), _chunks(blob)) for _ in range(3)))
        await store.put(_digest(blob), _chunks(blob))
        assert await _read(store, _digest(blob)) == blob

    async def test_a6_new_instance(self, store_factory: Callable[[], ArtifactStore]) -> None:
        """A new instance over the same place has what an earlier one was given."""
        blob = BLOBS["binary"]
        await store_factory().put(_digest(blob), _chunks(blob))
        assert await _read(store_factory(), _digest(blob)) == blob

    async def test_a7_url(self, store: ArtifactStore) -> None:
        """``url`` is an address from which a job reads the blob."""
        blob = BLOBS["binary"]
        await store.put(_digest(blob), _chunks(blob))
        url = await store.url(_digest(blob))
        assert url.startswith(("file://", "http://", "https://"))
        with await asyncio.to_thread(urllib.request.urlopen, url) as answer:
            assert answer.read() == blob

    @pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../etc/passwd", "/etc/passwd"])
    async def test_a8_not_a_digest(self, store: ArtifactStore, digest: str) -> None:
        """What is not a digest never reaches the file system or the network: InvalidSpec or NotFound."""
        with pytest.raises((InvalidSpec, NotFound)):
            await store.put(digest, _chunks(b"x"))
        with pytest.raises((InvalidSpec, NotFound)):
            await _read(store, digest)


def _digest(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


async def _chunks(blob: bytes, *, break_off: bool = False) -> AsyncIterator[bytes]:
    for start in range(0, len(blob), 1 << 20):
        yield blob[start : start + (1 << 20)]
    if break_off:
        raise ConnectionResetError("the sender is gone")


async def _read(store: ArtifactStore, digest: str) -> bytes:
    return b"".join([chunk async for chunk in store.get(digest)])
