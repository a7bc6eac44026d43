"""The submitting clients' environments: files by digest, 0600, read by backends only, gone when no job needs them."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Environments"]


class Environments:
    """``<folder>/<sha256>.json``. The newest is kept, so that a job can be submitted again with what it had."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        self.newest: str | None = None

    def keep(self, environment: Mapping[str, str]) -> str:
        """Store it, and give its digest."""
        data = json.dumps(environment, sort_keys=True, separators=(",", ":")).encode("utf-8", "surrogateescape")
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        if digest != self.newest:
            part = path.with_suffix(".part")
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            os.replace(part, path)
            self.newest = digest
        return digest

    def path(self, digest: str) -> Path:
        """Where it lies."""
        return self._folder / f"{digest}.json"

    def find(self, digest: str | None) -> str | None:
        """That one if it is still there, else the newest of this controller's life."""
        return digest if digest and self.path(digest).exists() else self.newest

    def drop(self, digest: str | None) -> None:
        """No job needs it any more."""
        if digest and digest != self.newest:
            self.path(digest).unlink(missing_ok=True)

    def collect(self, needed: set[str]) -> None:
        """Remove all that no job needs, and what a kill left half written."""
        for path in self._folder.iterdir():
            if path.suffix != ".json" or path.stem not in needed:
                path.unlink(missing_ok=True)
