"""The artifact store as the controller uses it: started when it is first needed, with names that are checked."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

from qwex.artifacts import ArtifactStore, StoreContext, checked_key
from qwex.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from pathlib import Path

    from qwex.artifacts import Stored
    from qwex.config import Settings
    from qwex.plugins import Plugins

__all__ = ["Artifacts", "opened"]

log = logging.getLogger(__name__)

#: Seconds that a store may take to close.
_CLOSE_SECONDS = 10.0


class Artifacts:
    """One store. What keeps it from starting is raised where it is needed, and tried again the next time."""

    def __init__(self, kind: type[ArtifactStore], context: StoreContext) -> None:
        #: Its URL, as it was configured.
        self.place = context.url
        self._kind = kind
        self._context = context
        self._store: ArtifactStore | None = None
        self._starting = asyncio.Lock()
        self._ahead: asyncio.Task[ArtifactStore] | None = None

    @property
    def is_shared(self) -> bool:
        """Whether it is elsewhere than on this machine, and so outlives it."""
        return not self.place.startswith("file://")

    async def stat(self, key: str) -> Stored | None:
        """The object, or None where there is none."""
        return await (await self._started()).stat(checked_key(key))

    async def put(self, key: str, chunks: AsyncIterator[bytes], *, replace: bool = False) -> bool:
        """Store an object whole; False where it was there already."""
        return await (await self._started()).put(checked_key(key), chunks, replace=replace)

    async def get(self, key: str, start: int = 0) -> AsyncIterator[bytes]:
        """The object's bytes from ``start`` on."""
        store = await self._started()
        async with aclosing(store.get(checked_key(key), start)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    async def list(self, prefix: str = "") -> AsyncIterator[Stored]:
        """Every object below the folder ``prefix``."""
        store = await self._started()
        async for found in store.list(checked_key(prefix) if prefix else ""):
            yield found

    async def delete(self, keys: Collection[str]) -> None:
        """Remove these objects, as far as they are there."""
        await (await self._started()).delete([checked_key(key) for key in keys])

    async def url(self, key: str, seconds: float, method: str = "GET") -> str | None:
        """An address of the object for those without credentials, where there is such a thing."""
        return await (await self._started()).url(checked_key(key), seconds, method)

    async def tidy(self) -> None:
        """Remove what those left who were killed while they stored something."""
        await (await self._started()).tidy()

    async def put_files(self, files: Mapping[str, Path], *, replace: bool = False) -> set[str]:
        """Store many files; the keys of those that were not there yet."""
        for key in files:
            checked_key(key)
        return await (await self._started()).put_files(files, replace=replace)

    async def get_files(self, files: Mapping[str, Path]) -> None:
        """Fetch many objects into files, each whole or not there."""
        for key in files:
            checked_key(key)
        await (await self._started()).get_files(files)

    async def started(self, within: float) -> bool:
        """Whether it can be used by now, for those who would rather do without than wait for longer (seconds).

        A start that takes longer goes on, and nobody waits for it again.
        """
        if self._store is None and (self._ahead is None or self._ahead.done()):
            self._ahead = asyncio.create_task(self._started())
            await asyncio.wait([self._ahead], timeout=within)
            if self._ahead.done() and (error := self._ahead.exception()):
                log.info("done without: %s", error)
        return self._store is not None

    async def close(self) -> None:
        """Let go of the store."""
        if self._ahead:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)
        if self._store:
            await asyncio.wait_for(self._store.close(), _CLOSE_SECONDS)

    async def _started(self) -> ArtifactStore:
        if self._store is None:
            async with self._starting:
                if self._store is None:
                    self._store = await self._start()
        return self._store

    async def _start(self) -> ArtifactStore:
        self._context.folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        store = self._kind(self._context)
        try:
            await store.start()
        except BaseException as error:
            log.warning("the artifact store %s cannot be used: %s", self._kind.name, error)
            with suppress(Exception):
                await store.close()
            raise
        return store


def opened(plugins: Plugins, settings: Settings) -> Artifacts | None:
    """The store of the setting ``artifacts``; None where that is empty and no plugin keeps files.

    Raises:
        ConfigError: no store serves that URL, or its section has a key that means nothing.
    """
    url: str = settings.artifacts or (settings.folder / "artifacts").as_uri()
    scheme, found, _ = url.partition("://")
    kinds: dict[str, Any] = {each: kind for _, kind in plugins.artifact_stores for each in kind.schemes}
    kind = kinds.get(scheme) or kinds.get("*")
    if not settings.artifacts and "file" not in kinds:
        return None
    if not found or kind is None:
        raise ConfigError(_unknown(url, scheme if found else "", [each for each in kinds if each != "*"]))
    if kind.Settings:
        settings.check(kind.name, list(kind.Settings.model_fields))
    return Artifacts(kind, StoreContext(url, settings.folder / "stores" / kind.name, settings.section(kind.name)))


def _unknown(url: str, scheme: str, schemes: list[str]) -> str:
    known = ", ".join(f"{each}://" for each in sorted(schemes)) or "none"
    if not scheme:
        return f"artifacts = {url!r} is no URL. The stores installed here serve: {known}"
    install = "" if "s3" in schemes else " For s3://, gs://, az:// and others: pip install 'qwex[s3]'"
    return f"no artifact store serves {scheme}://.{nearest(scheme, schemes)} There is: {known}.{install}"
