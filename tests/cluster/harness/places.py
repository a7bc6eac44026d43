"""Where things lie: what is built once, and the folders of clusters."""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["cache", "digest", "folder_of", "folders", "locked"]

#: A Unix socket's path is limited to 107 bytes; the longest name put below a cluster's folder.
_LONGEST = 107 - len("/containerd.sock.ttrpc")


def cache() -> Path:
    """What outlives all clusters: binaries and images."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "qwex" / "cluster"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def folder_of(name: str) -> Path:
    """The folder of the cluster of that name, there or not."""
    if not name.replace("-", "").isalnum() or name != name.lower() or len(name) > 20:
        raise ClusterError(f"a cluster's name is up to 20 small letters, digits and dashes, not {name!r}")
    folder = cache() / "run" / name
    if len(os.fsencode(folder)) > _LONGEST:
        raise ClusterError(f"{folder} is too long a path for sockets; set XDG_CACHE_HOME to a shorter one")
    return folder


def folders() -> list[Path]:
    """The folders of all clusters, living and dead."""
    return sorted(path for path in (cache() / "run").glob("*") if path.is_dir())


def digest(parts: Iterable[bytes | str]) -> str:
    """A short name for what was made from these."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()[:16]


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock file; whoever dies lets go of it. ``on_wait`` is called when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(file, fcntl.LOCK_EX)
            if _is(path, file.fileno()):
                yield
                return


def _is(path: Path, fd: int) -> bool:
    """Whether the open file still has that path: who held the lock may have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False
