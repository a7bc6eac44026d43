"""The folder that holds what ssh needs: its configuration, a key, and the door and the host key of each machine.

Nobody else reads it, and what is in it is whole at any time: files are written beside and moved into place.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING

from qwex.config import own_folder
from qwex.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KNOWN_HOSTS", "identity", "locked", "machine_file", "prepare", "public_key", "ssh_folder", "write"]

KNOWN_HOSTS = "known_hosts.sh"
_KEY = "id_ed25519"


def ssh_folder(home: Path) -> Path:
    """Where it is in the data folder of a user's controller."""
    return Path(os.path.abspath(home)) / "ssh"


def prepare(folder: Path) -> None:
    """The folder is there, for its owner alone, with the script that tells ssh the host keys.

    Raises:
        ConfigError: it cannot be made.
    """
    own_folder(folder.parent)
    try:
        for each in (folder, folder / "machines"):
            each.mkdir(exist_ok=True)
            if each.stat().st_mode & 0o777 != 0o700:  # what is so already may be on a disk that takes no change
                each.chmod(0o700)
        write(folder / KNOWN_HOSTS, Path(__file__).with_name(KNOWN_HOSTS).read_bytes())
    except OSError as error:
        raise ConfigError(f"the folder {folder} for ssh cannot be made: {error.strerror or error}") from None


def machine_file(folder: Path, name: str, kind: str) -> Path:
    """The file of that kind of a machine: ``json`` its door, ``pub`` its host key, ``identity`` a key of the user's."""
    return folder / "machines" / f"{name}.{kind}"


def write(path: Path, data: bytes) -> bool:
    """The file holds these bytes, for its owner alone; whether it did not before. Who reads sees the old or the new."""
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return False
    part = path.with_name(f".{path.name}.{os.getpid()}.{get_ident()}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else who locks this folder is at it meanwhile."""
    import fcntl

    fd = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems cannot lock a folder. Files are whole without it; the later of two writers wins.
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def identity(folder: Path) -> Path:
    """The private half of the key that machines let in; it is made the first time.

    Raises:
        ConfigError: it cannot be made.
    """
    from qwex.sshkeys import make_key

    prepare(folder)
    key = folder / _KEY
    try:
        with locked(folder):
            make_key(key, "" if key.exists() else _owner())
    except OSError as error:
        raise ConfigError(f"the key {key} cannot be made: {error.strerror or error}") from None
    return key


def _owner() -> str:
    """Whose the key is, for all who let it in."""
    import getpass
    import platform

    try:
        person = getpass.getuser()
    except (KeyError, OSError):  # the system has no name for them
        person = "qwex"
    return f"{person}@{platform.node() or 'localhost'}"


def public_key(folder: Path) -> str:
    """The line of the public half of that key.

    Raises:
        ConfigError: it cannot be made.
    """
    file = Path(f"{identity(folder)}.pub")
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the key {file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
