"""The key in a file that somebody names: its public half for a machine, and what ssh is to show for it."""

from __future__ import annotations

import os
from pathlib import Path

from qwex.errors import ConfigError

__all__ = ["named", "public_half", "shown"]

#: More is no file of a key's.
_MOST = 64_000


def named(text: str) -> Path:
    """The file of that name; ``~`` is a home, where there is one."""
    return Path(os.path.expanduser(text))  # that of Path raises


def public_half(key: Path) -> str:
    """The line of the public key in that file or, of a private one, in the file beside it that ends in ``.pub``.

    Raises:
        ConfigError: there is not exactly one; what is private is not read on.
    """
    if os.path.isdir(key):
        raise ConfigError(f"--key: {key} is a folder; name the file of a key in it")
    file = _public_file(key)
    text = _text(file, key)
    if "PRIVATE KEY" in text or text.startswith("PuTTY-User-Key-File"):
        raise ConfigError(
            f"--key: {file} has a private key, which goes nowhere. Name a file with its public half, which is what "
            f"this prints: ssh-keygen -y -f {file}"
        )
    if text.startswith("---- BEGIN SSH2"):
        raise ConfigError(f"--key: {file} is not in OpenSSH's form. This prints it so: ssh-keygen -i -f {file}")
    # Comments and the ends of lines are of whoever wrote the file.
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) != 1:
        raise ConfigError(f"--key: {file} has {len(lines) or 'no'} keys; one with a single key is wanted")
    return lines[0]


def shown(key: Path) -> Path:
    """What ssh is told of the key: its private half, or the public one where only an agent has the other."""
    private = key.with_suffix("") if key.suffix == ".pub" else key
    return private if os.path.isfile(private) else _public_file(key)


def _public_file(key: Path) -> Path:
    beside = Path(f"{key}.pub")
    return key if key.suffix == ".pub" or (os.path.isfile(key) and not os.path.exists(beside)) else beside


def _text(file: Path, key: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_MOST).decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ConfigError(f"--key: {file} is no text; a public key is a line: ssh-ed25519 AAAA… ada@laptop") from None
    except FileNotFoundError:
        also = f", nor {file}" if file != key else ""
        raise ConfigError(f"--key: {key} cannot be read: there is no such file{also}") from None
    except OSError as error:
        raise ConfigError(f"--key: {file} cannot be read: {error.strerror or error}") from None
