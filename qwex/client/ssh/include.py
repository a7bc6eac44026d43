"""The one line in the user's own ssh configuration, and how it comes there and goes without harm to the rest.

It is the first line: ssh takes the first value that it finds for each option, and a line after a ``Host`` is a part of
that host's. All other bytes stay as they are, whatever they are.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qwex.client.ssh.files import locked
from qwex.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Change", "install", "line", "uninstall", "user_config"]


#: What some ssh or other takes for a sign in the path; each is matched by the sign for any one character.
_ANY = dict.fromkeys(map(ord, '"%$*[\\\r\n'), "?")


class Change(NamedTuple):
    """What was done to the file, or would be."""

    file: Path
    line: str
    #: Whether its bytes are others than before.
    changed: bool


def user_config() -> Path:
    """The user's own configuration of ssh."""
    return Path.home() / ".ssh" / "config"


def line(folder: Path) -> str:
    """The line that has ssh read the configuration of this folder."""
    return f'Include "{str(folder / "config").translate(_ANY)}"'


def install(folder: Path, file: Path | None = None, *, dry_run: bool = False) -> Change:
    """The line stands once in the file, before what belongs to a host.

    Raises:
        ConfigError: the file cannot be changed; the message has the line, to be put there by hand.
    """
    return _changed(folder, file or user_config(), _with_line, dry_run)


def uninstall(folder: Path, file: Path | None = None, *, dry_run: bool = False) -> Change:
    """The line is not in the file.

    Raises:
        ConfigError: the file cannot be changed; the message has the line, to be taken out by hand.
    """
    return _changed(folder, file or user_config(), _without_line, dry_run)


def _with_line(data: bytes, ours: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    hosts = (at for at, each in enumerate(lines) if _first_word(each) in (b"host", b"match"))
    if _is(ours, lines[: next(hosts, len(lines))]) == 1 and _is(ours, lines) == 1:
        return data
    end = b"\r\n" if lines and lines[0].endswith(b"\r\n") else b"\n"
    return ours + end + _without_line(data, ours)


def _without_line(data: bytes, ours: bytes) -> bytes:
    return b"".join(each for each in data.splitlines(keepends=True) if not _is(ours, [each]))


def _is(ours: bytes, lines: list[bytes]) -> int:
    """How many of the lines are ours, with or without the quotes."""
    return sum(each.strip() in (ours, ours.replace(b'"', b"")) for each in lines)


def _first_word(each: bytes) -> bytes:
    return each.strip().replace(b"=", b" ").split(b" ")[0].split(b"\t")[0].lower()


def _changed(folder: Path, file: Path, change: Callable[[bytes, bytes], bytes], dry_run: bool) -> Change:
    ours = line(folder)
    # A link, as of those who keep their configuration elsewhere, stays one.
    target = Path(os.path.realpath(file))
    try:
        before = _read(target)
        after = change(before or b"", os.fsencode(ours))
        if after == (before or b"") or dry_run:
            return Change(file, ours, after != (before or b""))
        target.parent.mkdir(mode=0o700, exist_ok=True)
        with locked(target.parent):
            before = _read(target)
            after = change(before or b"", os.fsencode(ours))
            _replace(target, after)
    except OSError as error:
        why = error.strerror or str(error)
        do = "Put this line at its top" if change is _with_line else "Take this line out of it"
        raise ConfigError(f"{file} cannot be changed ({why}). {do} yourself: {ours}") from None
    return Change(file, ours, True)


def _read(target: Path) -> bytes | None:
    """The bytes of the file; None where there is none."""
    try:
        if not stat.S_ISREG(os.stat(target).st_mode):
            raise OSError("it is not a file")
        return target.read_bytes()
    except FileNotFoundError:
        return None


def _replace(target: Path, data: bytes) -> None:
    """The file holds these bytes, and is otherwise as it was; after an error it is untouched."""
    there = os.stat(target) if target.exists() else None
    for each in (target.parent, target) if there else (target.parent,):
        # Root may write all; what was made read-only was made so for a reason.
        if not (os.access(each, os.W_OK) and os.stat(each).st_mode & 0o222):
            raise PermissionError(13, f"{each} is read-only")
    fd, part = tempfile.mkstemp(prefix=".qwex-", dir=target.parent)
    try:
        with open(fd, "wb") as file:
            file.write(data)
            if there:
                os.fchmod(fd, stat.S_IMODE(there.st_mode))
                if (there.st_uid, there.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(fd, there.st_uid, there.st_gid)
            file.flush()
            os.fsync(fd)
        os.replace(part, target)
    except BaseException:
        os.unlink(part)
        raise
