"""The contract of an artifact store: named objects under one URL. Read this module, and write one like it.

What the objects hold, how they are named and whether their bytes are the right ones is the core's business
(``qwex/controller/blobs.py``). Calls come from one event loop, in this order: ``start``, then any of the others, many
at once, then ``close``. A store may be dropped at any moment without ``close``; a new instance over the same URL has
what this one was given.

A key is 1 to 512 letters, digits and ``. _ = -`` in parts joined by ``/``; no part is ``.`` or ``..``, and no key is
the folder of another. The core checks keys before a store sees them (``checked_key``).
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from qwex.errors import ArtifactsUnavailable, InvalidSpec, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from pathlib import Path

    from pydantic import BaseModel

__all__ = [
    "ArtifactStore",
    "ArtifactsUnavailable",
    "NotFound",
    "StoreContext",
    "Stored",
    "checked_key",
    "chunks_of",
    "is_remote",
    "one_chunk",
    "write_beside",
]

_KEY = re.compile(r"(?!\.{1,2}(/|$))[\w.=-]+(/(?!\.{1,2}(/|$))[\w.=-]+)*", re.ASCII)
_LONGEST = 512
_CHUNK = 1 << 20


@dataclass(frozen=True)
class StoreContext:
    """What a store is given when it is made."""

    #: As it stands in the configuration: ``s3://bucket/prefix``.
    url: str
    #: Its own folder (0700), kept between instances.
    folder: Path
    #: The section of the configuration that has the store's name, unchecked.
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """An object that is stored whole."""

    key: str
    #: Bytes.
    size: int
    #: Seconds since the epoch, by the store's own clock.
    modified: float


class ArtifactStore(ABC):
    """A place that keeps objects by their keys: whole, or not at all.

    Beside what a method names, every call may raise ``ArtifactsUnavailable`` (transient: the place cannot be reached,
    is full, or fails), ``NotAuthorized`` or ``ConfigError`` (it will go on failing until somebody mends the settings).
    """

    name: ClassVar[str]
    #: URL schemes this store serves, such as ``s3``; ``*`` means each one that no other store serves.
    schemes: ClassVar[tuple[str, ...]] = ()
    #: The section of the configuration that has its name, as a model; see ``Backend.Settings``.
    Settings: ClassVar[type[BaseModel] | None] = None

    def __init__(self, context: StoreContext) -> None:
        self.context = context

    async def start(self) -> None:  # noqa: B027 - a place may need no start
        """Make sure that the place can be used; called once, before any other call.

        Raises:
            ConfigError: it cannot as it is configured: no such bucket, a wrong key, no right to write, a clock that is
                wrong. The sentence says which, and what to do.
            ArtifactsUnavailable: it does not answer now.
        """

    async def close(self) -> None:  # noqa: B027 - nor an end
        """Let go of resources."""

    @abstractmethod
    async def stat(self, key: str) -> Stored | None:
        """The object, or None where there is none."""

    @abstractmethod
    async def put(self, key: str, chunks: AsyncIterator[bytes], *, replace: bool = False) -> bool:
        """Store an object. After return it is whole and durable; after a raise it is as it was before.

        Without ``replace`` an object that is there already is left alone, and the answer is False. Of several who put
        one key at once, one is told True, and the object is theirs. For objects of more than 8 MiB a store may look
        first and then write, so that two at once are both told True, and the object is either's, whole. What
        ``chunks`` raises comes out unchanged.
        """

    @abstractmethod
    def get(self, key: str, start: int = 0) -> AsyncIterator[bytes]:
        """The object's bytes from ``start`` on, some MiB at a time.

        Raises:
            NotFound: no such object.
        """

    @abstractmethod
    def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        """Every object below the folder ``prefix`` (``a/b`` has ``a/b/c``, not ``a/bc``), in any order."""

    @abstractmethod
    async def delete(self, keys: Collection[str]) -> None:
        """Remove these objects; those that are not there are no error."""

    @abstractmethod
    async def url(self, key: str, seconds: float, method: str = "GET") -> str | None:
        """An address from which the object is read, or with ``PUT`` written, for so long and without credentials.

        ``file://…`` in a local folder, a presigned ``https://…`` elsewhere; None where the place has no such thing.
        Whether the object is there is not looked at.
        """

    async def tidy(self) -> None:  # noqa: B027 - a place may leave nothing
        """Remove what was left of objects that somebody began to store a day ago or longer, and was killed."""

    async def put_files(self, files: Mapping[str, Path], *, replace: bool = False) -> set[str]:
        """``put`` many files; the keys of those that were written. What an earlier call stored is not sent again."""
        written = set()
        for key, path in files.items():
            if replace or not await self.stat(key):
                written |= {key} if await self.put(key, chunks_of(path), replace=replace) else set()
        return written

    async def get_files(self, files: Mapping[str, Path]) -> None:
        """``get`` many objects, each into a file that is whole or not there; folders are made.

        Raises:
            NotFound: one of them is not there; others may have come.
        """
        for key, path in files.items():
            await write_beside(path, self.get(key))


def checked_key(key: str) -> str:
    """The key.

    Raises:
        InvalidSpec: it is none.
    """
    if len(key) > _LONGEST or not _KEY.fullmatch(key):
        raise InvalidSpec.of("key", f"{key[:80]!r} is no name for an object; use letters, digits and . _ = - /")
    return key


def is_remote(url: str) -> bool:
    """Whether an address of a store's can be used from another machine."""
    return url.startswith(("http://", "https://"))


async def one_chunk(data: bytes) -> AsyncIterator[bytes]:
    """All of it at once, as ``put`` takes it."""
    yield data


async def chunks_of(path: Path, size: int = _CHUNK) -> AsyncIterator[bytes]:
    """A file's bytes, so many at a time."""
    with open(path, "rb", buffering=0) as file:  # noqa: ASYNC230 - the disk is local
        while chunk := await asyncio.to_thread(file.read, size):
            yield chunk


async def write_beside(path: Path, chunks: AsyncIterator[bytes]) -> None:
    """Fill a file beside ``path`` and rename it once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
    try:
        with open(part, "xb") as file:  # noqa: ASYNC230 - the disk is local
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
