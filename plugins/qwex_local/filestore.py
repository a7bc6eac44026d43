"""The artifact store ``file``: blobs in a folder, by the digest of their bytes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from qwex.artifacts import ArtifactStore
from qwex.errors import InvalidSpec, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["FileStore"]

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_CHUNK = 1 << 20


class FileStore(ArtifactStore):
    """Blobs are files ``<folder>/<first two digits>/<digest>``: whole, or not there."""

    name: ClassVar[str] = "file"
    schemes: ClassVar[tuple[str, ...]] = ("file",)

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    async def exists(self, digest: str) -> bool:
        """Whether the blob is stored whole."""
        return self._path(digest).is_file()

    async def put(self, digest: str, chunks: AsyncIterator[bytes]) -> None:
        """Store the blob beside its place, and move it there once it is whole and on disk."""
        path = self._path(digest)
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with open(part, "xb", opener=_owner_only) as file:  # noqa: ASYNC230 - the disk is local
                await _fill(file, digest, chunks)
            await asyncio.to_thread(_publish, part, path)
        finally:
            part.unlink(missing_ok=True)

    async def get(self, digest: str) -> AsyncIterator[bytes]:
        """The blob's bytes, about 1 MiB at a time."""
        with open(self._stored(digest), "rb") as file:  # noqa: ASYNC230 - the disk is local
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                yield chunk

    async def url(self, digest: str) -> str:
        """``file:///…``."""
        return self._stored(digest).absolute().as_uri()

    def _path(self, digest: str) -> Path:
        match = _DIGEST.fullmatch(digest)
        if not match:
            raise InvalidSpec.of("digest", f"{digest[:80]!r} is not of the form sha256:<64 hexadecimal digits>")
        return self.folder / match[1][:2] / match[1]

    def _stored(self, digest: str) -> Path:
        path = self._path(digest)
        if not path.is_file():
            raise NotFound(f"no blob {digest}. Upload it first.")
        return path


async def _fill(file: BinaryIO, digest: str, chunks: AsyncIterator[bytes]) -> None:
    seen = hashlib.sha256()
    async for chunk in chunks:
        seen.update(chunk)
        file.write(chunk)
    if f"sha256:{seen.hexdigest()}" != digest:
        raise InvalidSpec.of("digest", f"the bytes have sha256:{seen.hexdigest()}, not {digest}")


def _publish(part: Path, path: Path) -> None:
    """Durable before it has its name, and its name durable too."""
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
