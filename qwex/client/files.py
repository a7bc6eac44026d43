"""The files that a job has left: a mapping of paths to handles, read when they are asked for."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from qwex.errors import InvalidSpec, NotFound, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from qwex.record import JobFile

__all__ = ["Files", "Handle", "Source", "place"]

#: Bytes that ``open`` keeps in memory, and that are read at once.
_SMALL, _CHUNK = 32 << 20, 1 << 20


class Handle:
    """One file of a job's: ``size`` in bytes and ``digest`` are known, the bytes come when they are asked for."""

    def __init__(self, file: JobFile, chunks: Callable[[JobFile], Iterator[bytes]]) -> None:
        self.path = file.path
        self.size = file.size
        self.digest = file.digest
        self._file = file
        self._chunks = chunks

    def read(self) -> bytes:
        """All of it."""
        return b"".join(self._chunks(self._file))

    def open(self) -> BinaryIO:
        """A binary file to read from and to seek in, fetched now; a large one is on the disk until it is closed."""
        if self.size <= _SMALL:
            return io.BytesIO(self.read())
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        try:
            for chunk in self._chunks(self._file):
                file.write(chunk)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def save(self, to: str | Path) -> Path:
        """Write it to a file, whole or not at all; in a folder under its own name. Missing folders are made.

        Raises:
            InvalidSpec: it cannot be written there.
        """
        path = Path(to)
        if path.is_dir():
            path = place(path, self.path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".qwex-{os.getpid()}-{path.name}"[:200])
            try:
                with part.open("wb") as file:
                    for chunk in self._chunks(self._file):
                        file.write(chunk)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise InvalidSpec.of("to", f"{path} cannot be written: {error.strerror}") from None
        return path

    def __repr__(self) -> str:
        return f"<file {self.path}, {self.size:,} bytes>"


class Files(Mapping[str, Handle]):
    """All files of a job by their paths."""

    def __init__(self, found: Iterable[JobFile], chunks: Callable[[JobFile], Iterator[bytes]]) -> None:
        self._handles = {file.path: Handle(file, chunks) for file in found}

    def __getitem__(self, path: str) -> Handle:
        found = self._handles.get(path)
        if found is None:
            there = f" There is: {', '.join(list(self._handles)[:10])}" if self._handles else " It left none"
            raise NotFound(f"the job left no file {path!r}.{nearest(path, list(self._handles))}{there}")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._handles)

    def __len__(self) -> int:
        return len(self._handles)

    def __repr__(self) -> str:
        return f"<{len(self)} files: {', '.join(list(self)[:5])}{', …' if len(self) > 5 else ''}>"


class Source:
    """A file to send. It may have many bytes: they are read as they go, and never are all in memory."""

    def __init__(self, file: str | Path) -> None:
        self.file = file
        self.size = 0
        self.digest = ""

    def measure(self) -> None:
        """Find ``size`` and ``digest``. Blocks.

        Raises:
            InvalidSpec: it cannot be read.
        """
        seen = hashlib.sha256()
        self.size = 0
        for chunk in self._read():
            seen.update(chunk)
            self.size += len(chunk)
        self.digest = f"sha256:{seen.hexdigest()}"

    def chunks(self) -> Iterator[bytes]:
        """As many bytes as were measured, from the start each time.

        Raises:
            InvalidSpec: it cannot be read, or there are fewer by now.
        """
        left = self.size
        for chunk in self._read() if left else ():
            yield chunk[:left]
            left -= len(chunk[:left])
            if not left:
                return  # what was added since is not what was measured
        if left:
            raise InvalidSpec.of("file", f"{self.file} has become shorter while it was sent: send it again")

    def _read(self) -> Iterator[bytes]:
        try:
            with open(self.file, "rb", buffering=0) as opened:
                while chunk := opened.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise InvalidSpec.of("file", f"{self.file} cannot be read: {error.strerror}") from None


def place(folder: Path, path: str) -> Path:
    """Where a job's file goes in a folder of this machine.

    Raises:
        InvalidSpec: its path leads out of the folder.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise InvalidSpec.of("path", f"{path!r} is no path within a folder")
    return folder.joinpath(*parts)
