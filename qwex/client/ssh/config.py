"""The configuration that ssh includes: how it reaches every machine, and which key it shows it."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qwex.client.ssh import files
from qwex.client.ssh.proxy import kept
from qwex.errors import ConfigError
from qwex.machines import host_alias

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["proxy_command", "text", "usable", "use_key", "write"]

#: ``-m`` would look for modules in the folder where ssh was called, whatever it holds, and takes longer.
_START = "import sys; sys.path[:] = filter(None, sys.path); from qwex.client.ssh.proxy import run; run()"

_TEXT = """\
# qwex keeps this file and writes it anew: put what is yours into ~/.ssh/config, below the line that includes this one.
{keys}# Names with a quote are never ours, and are kept away from the shell that runs the command.
Host qwex-* "!*'*"
  HostName %h
  User dev
  ProxyCommand {proxy}
  IdentityFile {identity}
  IdentitiesOnly yes
{known_hosts}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  CheckHostIP no
  UpdateHostKeys no
  CanonicalizeHostname no
  ServerAliveInterval 15
  ServerAliveCountMax 3
"""

#: Since OpenSSH 8.5. An older one would refuse all of the user's configuration for it.
_ASKED = """\
  KnownHostsCommand /bin/sh {script} %H %t %K
  UserKnownHostsFile /dev/null"""
_LISTED = "  UserKnownHostsFile {file}"

#: Editors and shells offer the hosts that are named.
_HOST = """\
Host {host}
  HostName {host}
"""
_USER = "  User {user}\n"
_KEY = "  IdentityFile {identity}\n"


def write(folder: Path) -> Path:
    """The file, as it has to be for this Python, the machines and the keys that they were given.

    Who changes the machines has the folder locked meanwhile.

    Raises:
        ConfigError: it cannot be written.
    """
    files.prepare(folder)
    keys, users = _keys(folder / "machines"), _users(folder / "machines")
    asks = _asks()
    try:
        if not asks:
            files.write(folder / "known_hosts", _known_hosts(folder))
        files.write(folder / "config", os.fsencode(text(folder, keys, users, asks=asks)))
    except OSError as error:
        raise ConfigError(f"{folder / 'config'} cannot be written: {error.strerror or error}") from None
    return folder / "config"


def use_key(folder: Path, name: str, key: Path | None) -> None:
    """Have ssh show the machine this key of the user's first; None for qwex's own alone.

    Raises:
        ConfigError: there is no such file, or the folder cannot be written.
    """
    given = key and usable(key)
    files.prepare(folder)
    file = files.machine_file(folder, name, "identity")
    try:
        with files.locked(folder):
            if given:
                files.write(file, os.fsencode(given))
            else:
                file.unlink(missing_ok=True)
            write(folder)
    except OSError as error:
        raise ConfigError(f"{file} cannot be changed: {error.strerror or error}") from None


def usable(key: Path) -> Path:
    """The file of the user's key, as ssh is told of it: its private half, or the public one of a key an agent has.

    Raises:
        ConfigError: there is none, or ssh could not read its name.
    """
    given = Path(os.path.abspath(os.path.expanduser(key)))
    if not os.path.isfile(given):
        raise ConfigError(f"there is no key {given}: name the file with its private half, or its .pub for an agent's")
    try:
        _quoted(given)
    except ConfigError:
        raise ConfigError(f"ssh cannot read the path {str(given)!r} in its configuration: rename the key") from None
    return given


def text(
    folder: Path, keys: Mapping[str, Path | None], users: Mapping[str, str] | None = None, *, asks: bool = True
) -> str:
    """What the file says; ``keys`` are the user's own by the names of all machines, None for those that have none.

    ``users`` are those to log in as, of the machines where that is not ``dev``.
    ``asks`` is whether this ssh can ask a command for host keys; another reads them from a file.

    Raises:
        ConfigError: a path cannot be written in it.
    """
    users = users or {}
    blocks = [
        _HOST.format(host=host_alias(name))
        + (_USER.format(user=users[name]) if name in users else "")
        + (_KEY.format(identity=_quoted(key)) if key else "")
        for name, key in keys.items()
    ]
    asked = _ASKED.format(script=_quoted(folder / files.KNOWN_HOSTS))
    return _TEXT.format(
        keys="".join(blocks),
        proxy=proxy_command(folder),
        identity=_quoted(folder / "id_ed25519"),
        known_hosts=asked if asks else _LISTED.format(file=_quoted(folder / "known_hosts")),
    )


def proxy_command(folder: Path) -> str:
    """What ssh gives to the user's shell for a connection; ``%h`` is the host."""
    words = [sys.executable or "python3", "-c", _START, str(folder)]
    return f"{shlex.join(words).replace('%', '%%')} '%h'"


def _keys(machines: Path) -> dict[str, Path | None]:
    """The machines, each with the key that it was given."""
    given: dict[str, Path] = {}
    for file in machines.glob("*.identity"):
        with contextlib.suppress(OSError, ConfigError):  # one that is broken is none
            key = Path(os.fsdecode(file.read_bytes()))
            _quoted(key)
            given[file.stem] = key
    names = {file.stem for file in machines.glob("[!.]*.json")}
    return {name: given.get(name) for name in sorted(names | given.keys())}


def _users(machines: Path) -> dict[str, str]:
    """Whom their doors say to log in as, by the machines' names; what is no plain name is passed over."""
    found = {}
    for file in machines.glob("[!.]*.json"):
        user = kept(str(machines.parent), file.stem).get("door", {}).get("user")
        if isinstance(user, str) and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", user):
            found[file.stem] = user
    return found


def _known_hosts(folder: Path) -> bytes:
    """The host keys of all machines, as ssh reads them from a file."""
    keys = sorted((folder / "machines").glob("*.pub"))
    return b"".join(host_alias(file.stem).encode() + b" " + file.read_bytes() for file in keys)


def _asks() -> bool:
    """Whether the ssh on this machine can ask a command for host keys; also where there is none, or of unknown age."""
    import subprocess

    try:
        said = subprocess.run(["ssh", "-V"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10).stderr
    except (OSError, subprocess.TimeoutExpired):
        return True
    found = re.match(rb"OpenSSH[^0-9]*(\d+)\.(\d+)", said)
    return not found or (int(found[1]), int(found[2])) >= (8, 5)


def _quoted(path: Path) -> str:
    """The path as ssh reads it: quoted, and with no sign of it a token."""
    if any(sign in str(path) for sign in '"\n\\') or "${" in str(path):
        raise ConfigError(
            f"ssh cannot read the path {str(path)!r} in its configuration. Set QWEX_HOME to a plainer one."
        )
    return '"' + str(path).replace("%", "%%") + '"'
