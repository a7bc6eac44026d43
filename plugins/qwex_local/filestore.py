"""The artifact store ``file``: objects as files in a folder."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote, urlsplit

from qwex.artifacts import ArtifactStore, StoreContext, Stored, checked_key
from qwex.errors import ConfigError, InvalidSpec, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Iterator

__all__ = ["FileStore"]

_CHUNK = 1 << 20
#: Where objects are until they are whole; no key has a ``~``.
_PARTS = "parts~"
#: Seconds after which a part is what somebody left who was killed.
_STALE = 86_400.0


class FileStore(ArtifactStore):
    """``file:///folder``: the object ``a/b`` is the file ``b`` in the folder ``a``, which only its owner may enter."""

    name: ClassVar[str] = "file"
    schemes: ClassVar[tuple[str, ...]] = ("file",)

    def __init__(self, context: StoreContext) -> None:
        super().__init__(context)
        parts = urlsplit(context.url)
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ConfigError(f"artifacts = {context.url!r} names no folder of this machine; write file:///folder")
        self.folder = Path(unquote(parts.path))

    async def start(self) -> None:
        """Make the folder, and write in it."""
        try:
            await asyncio.to_thread(self._begin)
        except PermissionError as error:
            raise ConfigError(f"the artifact store {self.folder} cannot be written: {error.strerror}") from error
        except (FileExistsError, NotADirectoryError) as error:
            raise ConfigError(f"the artifact store {self.folder} is no folder: {error}") from error

    async def stat(self, key: str) -> Stored | None:
        """The file, if it is there."""
        path = self._path(key)
        return _stored(key, path) if path.is_file() else None

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, replace: bool = False) -> bool:
        """Write the object apart, and give it its name once it is whole and on disk."""
        path = self._path(key)
        part = self.folder / _PARTS / secrets.token_hex(12)
        _make(part.parent)
        try:
            with open(part, "xb", opener=_owner_only) as file:  # noqa: ASYNC230 - the disk is local
                async for chunk in chunks:
                    file.write(chunk)
            return await asyncio.to_thread(_publish, part, path, replace=replace)
        finally:
            part.unlink(missing_ok=True)

    async def get(self, key: str, start: int = 0) -> AsyncIterator[bytes]:
        """The object's bytes, about 1 MiB at a time."""
        try:
            file = open(self._path(key), "rb")  # noqa: ASYNC230, SIM115 - closed below
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotFound(f"the artifact store {self.folder} has no {key}") from None
        with file:
            file.seek(start)
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                yield chunk

    async def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        """Every file below the folder whose name is a key."""
        for found in await asyncio.to_thread(lambda: list(self._below(prefix))):
            yield found

    async def delete(self, keys: Collection[str]) -> None:
        """Unlink the files; folders stay."""
        await asyncio.to_thread(_unlink, [self._path(key) for key in keys])

    async def tidy(self) -> None:
        """Unlink the parts that are old."""
        await asyncio.to_thread(self._drop_old_parts)

    async def url(self, key: str, seconds: float, method: str = "GET") -> str | None:
        """``file:///…`` to read; what is written to a file is not whole at every moment."""
        return self._path(key).as_uri() if method == "GET" else None

    def _path(self, key: str) -> Path:
        return self.folder / checked_key(key)

    def _below(self, prefix: str) -> Iterator[Stored]:
        for folder, _, names in os.walk(self.folder / prefix):
            for path in (Path(folder, name) for name in names):
                with suppress(InvalidSpec, FileNotFoundError):
                    yield _stored(checked_key(path.relative_to(self.folder).as_posix()), path)

    def _begin(self) -> None:
        parts = self.folder / _PARTS
        _make(parts)
        probe = parts / secrets.token_hex(12)
        probe.touch(0o600)
        probe.unlink()
        self._drop_old_parts()

    def _drop_old_parts(self) -> None:
        for path in (self.folder / _PARTS).iterdir():
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _STALE:
                    path.unlink()


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def _stored(key: str, path: Path) -> Stored:
    found = path.stat()
    return Stored(key, found.st_size, found.st_mtime)


def _publish(part: Path, path: Path, *, replace: bool) -> bool:
    """Durable before it has its name, and its name durable too; False if the name is taken."""
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    _make(path.parent)
    if replace:
        os.replace(part, path)
    elif not _named(part, path):
        return False
    _sync(path.parent)
    return True


def _named(part: Path, path: Path) -> bool:
    """Give the part its name unless that is taken."""
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links; the window between the two steps is all that is lost
        if path.exists():
            return False
        os.replace(part, path)
    return True


def _make(folder: Path) -> None:
    """Make a folder and those above it, each durable in the one above."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
