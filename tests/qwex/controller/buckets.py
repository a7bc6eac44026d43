"""A bucket that is a folder, so that a test sees what is in it and says how old that is."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

from qwex_local.filestore import FileStore

from qwex.artifacts import StoreContext
from qwex.controller.artifacts import Artifacts
from qwex.controller.blobs import Blobs, key_of
from qwex.controller.claims import Claims
from qwex.controller.sweeping import Sweeping

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ADA", "DAY", "Controller", "aged", "digest_of"]

ADA = "ada"
DAY = 86_400.0


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def aged(folder: Path, seconds: float, pattern: str = "*") -> None:
    """All files there are so old."""
    for path in folder.rglob(pattern):
        if path.is_file():
            os.utime(path, (time.time() - seconds,) * 2)


class Controller:
    """What one controller has of the store; several of one folder are several controllers."""

    def __init__(self, folder: Path, name: str, scheme: str = "bucket") -> None:
        def made(context: StoreContext) -> FileStore:
            return FileStore(StoreContext(folder.as_uri(), context.folder))

        url = folder.as_uri() if scheme == "file" else f"{scheme}://{folder.name}"
        self.artifacts = Artifacts(made, StoreContext(url, folder.parent / f"own-{name}"))
        self.blobs = Blobs(self.artifacts, name)
        self.claims = Claims(self.artifacts, name)
        self.sweeping = Sweeping(self.artifacts, self.blobs, self.claims)

    async def put(self, data: bytes) -> str:
        async def chunks():
            yield data

        await self.blobs.put(ADA, digest_of(data), chunks())
        return digest_of(data)

    async def sweep(self, *needed: str, known: tuple[str, ...] = (), dry_run: bool = False):
        return await self.sweeping.sweep(ADA, known, needed, dry_run=dry_run)

    async def there(self, digest: str) -> bool:
        """Whether it is there; asking this keeps nothing."""
        return await self.artifacts.stat(key_of(ADA, digest)) is not None
