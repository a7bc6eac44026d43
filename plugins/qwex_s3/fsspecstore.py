"""Every URL that no other store serves, through fsspec: slower than the clouds' own, and as atomic as a rename is."""

from __future__ import annotations

import asyncio
import importlib
import secrets
import threading
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from qwex.artifacts import ArtifactStore, StoreContext, Stored, one_chunk
from qwex.config import read_section
from qwex.errors import ArtifactsUnavailable, ConfigError, NotFound, QwexError
from qwex_s3.settings import FsspecSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator

__all__ = ["FsspecStore"]

_CHUNK = 4 << 20
_MARK = "qwex-store"
#: Where objects are until they are whole; no key has a ``~``.
_PARTS = "parts~"
#: Seconds after which a part is what somebody left who was killed.
_STALE = 86_400.0
#: Looking whether a name is taken and taking it are two calls; of this process one does them at a time.
_NAMING = threading.Lock()


class FsspecStore(ArtifactStore):
    """``memory://folder``, ``sftp://host/folder``, …: what ``fsspec.filesystem`` can make."""

    name: ClassVar[str] = "fsspec"
    schemes: ClassVar[tuple[str, ...]] = ("memory", "*")
    Settings = FsspecSettings

    def __init__(self, context: StoreContext) -> None:
        super().__init__(context)
        options = read_section(self.name, FsspecSettings, context.settings).options
        self._files, self._root = _opened(context.url, options)

    async def start(self) -> None:
        """Write an object and look for it."""
        await self.put(_MARK, one_chunk(b"This folder is an artifact store of qwex.\n"), replace=True)
        if not await self.stat(_MARK):
            raise ArtifactsUnavailable(f"the artifact store {self.context.url} does not have what was written to it")

    async def stat(self, key: str) -> Stored | None:
        """What fsspec tells of it."""
        try:
            return _stored(key, await self._call(self._files.info, self._path(key)))
        except NotFound:
            return None

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, replace: bool = False) -> bool:
        """Write it apart, then give it its name."""
        part = self._path(f"{_PARTS}/{secrets.token_hex(12)}")
        await self._call(self._files.makedirs, self._path(_PARTS), exist_ok=True)
        try:
            file = await self._call(self._files.open, part, "wb")
            try:
                async for chunk in chunks:
                    await self._call(file.write, chunk)
            finally:
                await self._call(file.close)
            return bool(await self._call(self._named, part, self._path(key), replace))
        finally:
            with suppress(QwexError):
                await self._call(self._removed, part)

    async def get(self, key: str, start: int = 0) -> AsyncIterator[bytes]:
        """Some MiB at a time."""
        file = await self._call(self._files.open, self._path(key), "rb")
        try:
            await self._call(file.seek, start)
            while chunk := await self._call(file.read, _CHUNK):
                yield bytes(chunk)
        finally:
            await self._call(file.close)

    async def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        """All there is below, in one answer."""
        try:
            found = await self._call(self._files.find, self._path(prefix), detail=True)
        except NotFound:
            return
        for path, info in found.items():
            key = self._files._strip_protocol(path).removeprefix(self._root).lstrip("/")
            if not key.startswith(_PARTS):
                yield _stored(key, info)

    async def delete(self, keys: Collection[str]) -> None:
        """One after the other."""
        for key in keys:
            await self._call(self._removed, self._path(key))

    async def tidy(self) -> None:
        """Remove the parts that are old, where the file system tells their age."""
        with suppress(NotFound):
            found = await self._call(self._files.find, self._path(_PARTS), detail=True)
            old = [path for path, info in found.items() if 0 < _stored(path, info).modified < time.time() - _STALE]
            for path in old:
                await self._call(self._removed, path)

    async def url(self, key: str, seconds: float, method: str = "GET") -> str | None:
        """Where the file system can sign; most cannot, and only to read."""
        if method != "GET":
            return None
        try:
            return str(await self._call(self._files.sign, self._path(key), expiration=int(seconds)))
        except NotImplementedError:
            return None

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root

    def _named(self, part: str, path: str, replace: bool) -> bool:
        with _NAMING:
            if not replace and self._files.exists(path):
                return False
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._files.mv(part, path)
            return True

    def _removed(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._files.rm_file(path)

    async def _call(self, act: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        with _troubles(self.context.url):
            return await asyncio.to_thread(act, *arguments, **named)


def _opened(url: str, options: dict[str, Any]) -> tuple[Any, str]:
    """The file system of the URL, and the folder in it."""
    try:
        fsspec = importlib.import_module("fsspec.core")
    except ImportError as error:
        raise ConfigError(f"artifacts = {url!r} needs fsspec ({error}); run: pip install 'qwex[s3]'") from error
    try:
        files, root = fsspec.url_to_fs(url, **options)
    except (ImportError, ValueError) as error:  # fsspec names what to install, or does not know the scheme
        raise ConfigError(f"artifacts = {url!r}: {error}") from error
    return files, str(root).rstrip("/")


def _stored(key: str, info: dict[str, Any]) -> Stored:
    if info.get("type") == "directory":
        raise NotFound(f"{key} is a folder")
    told = next((info[name] for name in ("mtime", "created", "LastModified", "modified") if info.get(name)), 0.0)
    return Stored(key, int(info["size"] or 0), told.timestamp() if isinstance(told, datetime) else float(told))


@contextmanager
def _troubles(url: str) -> Iterator[None]:
    try:
        yield
    except (QwexError, NotImplementedError):
        raise
    except FileNotFoundError as error:
        raise NotFound(f"the artifact store {url} has no {error}") from error
    except PermissionError as error:
        raise ConfigError(f"the artifact store {url} refuses it: {error}; check [fsspec] options") from error
    except Exception as error:
        raise ArtifactsUnavailable(f"the artifact store {url} fails: {type(error).__name__}: {error}") from error
