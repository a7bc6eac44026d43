"""The files that a job leaves in its folder ``QWEX_FILES``: kept as values are, by the ways that those go."""

from __future__ import annotations

import contextlib
import hashlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["FOLDER", "kept"]

#: Within a job's folder.
FOLDER = "files"
#: More would be a data set, which belongs into a store of its own.
MOST = 2000
_CHUNK = 1 << 20


def kept(folder: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Put each file beside the values, and give the ``value`` records; with the paths of those that were not taken.

    Links and what is no plain file are not taken: they may lead anywhere.
    """
    root, values = os.path.join(folder, FOLDER), os.path.join(folder, "values")
    records: list[dict[str, Any]] = []
    left: list[str] = []
    if os.path.islink(root):  # the job has put another folder there: what is in it is not ours to take
        return [], [FOLDER]
    for path in _paths(root):
        record = None
        if len(records) < MOST:
            with contextlib.suppress(OSError, UnicodeEncodeError):
                record = _keep(root, path, values)
        if record:
            records.append(record)
        else:
            left.append(path)
    return records, left


def _paths(root: str) -> Iterator[str]:
    """Relative paths of all that is no folder, in order."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        yield from (os.path.relpath(os.path.join(folder, name), root) for name in sorted([*names, *links]))


def _keep(root: str, path: str, values: str) -> dict[str, Any] | None:
    if any(ord(sign) < 32 or sign in "\x7f\\" for sign in path):
        return None
    name = "file_" + hashlib.sha256(path.encode()).hexdigest()[:32]
    source = os.path.join(root, path)
    fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not os.path.isfile(fd):
            return None
        digest, size = hashlib.sha256(), 0
        while chunk := os.read(fd, _CHUNK):
            digest.update(chunk)
            size += len(chunk)
    finally:
        os.close(fd)
    os.makedirs(values, mode=0o700, exist_ok=True)
    os.replace(source, os.path.join(values, name))
    known = {"name": name, "path": path, "size": size, "digest": "sha256:" + digest.hexdigest()}
    return {**known, "format": "bytes", "type_name": "file", "python": ""}
