"""A little space set aside, so that states can still be written when jobs have filled the disk."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Reserve"]

_BYTES = 1 << 20
#: Free space above which the reserve is made again.
_PLENTY = 16 << 20


class Reserve:
    """A file of no meaning. Safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.hold()

    def hold(self) -> None:
        """Set the space aside if there is plenty."""
        with contextlib.suppress(OSError):
            space = os.statvfs(self._path.parent)
            if space.f_bavail * space.f_frsize > _PLENTY and not self._path.exists():
                self._allocate()

    def release(self) -> None:
        """Give the space to whoever writes next."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def use(self) -> None:
        """Release it if there is next to no other space."""
        with contextlib.suppress(OSError):
            space = os.statvfs(self._path.parent)
            if space.f_bavail * space.f_frsize < _BYTES:
                self.release()

    def _allocate(self) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, _BYTES)
            else:
                os.write(fd, bytes(_BYTES))
        finally:
            os.close(fd)
