"""Keys for ssh: pairs made by OpenSSH's own ssh-keygen, and what people call a public one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

from qwex.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["key_name", "make_key"]


def make_key(file: Path, comment: str = "") -> None:
    """Have a key without a passphrase there, whole: its private half and, as ``.pub``, its public one.

    One that is there is kept, and half of one that nobody has used yet is made anew.

    Raises:
        ConfigError: there is no ssh-keygen, or it cannot write.
    """
    part, public = file.with_name(f".{file.name}"), f"{file}.pub"
    if not file.exists():
        part.unlink(missing_ok=True)
        _keygen(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(part)])
        os.replace(f"{part}.pub", public)
        os.replace(part, file)
    elif not os.path.exists(public):
        part.write_bytes(_keygen(["-y", "-P", "", "-f", str(file)]))
        os.replace(part, public)


def key_name(line: str) -> str:
    """What people know a public key by: its comment, else its fingerprint as ssh-keygen shows it."""
    _, key, *comment = line.split(" ", 2)
    if comment:
        return comment[0]
    try:
        digest = hashlib.sha256(base64.b64decode(key)).digest()
    except binascii.Error:
        return key
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def _keygen(arguments: Sequence[str]) -> bytes:
    command = ["ssh-keygen", *arguments]
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise ConfigError("no key for ssh can be made without ssh-keygen. Install the OpenSSH client.") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).decode(errors="replace").strip()
        raise ConfigError(f"ssh-keygen could not make a key for ssh: {said}") from None
