"""OpenSSH's server, if this computer has one: where it is, and how one connection of a machine's is served by it.

It runs as the user, for one connection each (``sshd -i``), so no port is open and no rights are needed.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shlex
import shutil
from typing import TYPE_CHECKING

from qwex.errors import InvalidSpec
from qwex_local.door import INSTALL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["AUTHORIZED", "CONFIG", "HOST_KEY", "LOG", "SESSION", "account", "config", "find", "problem"]

#: Files in a machine's folder.
CONFIG, HOST_KEY, AUTHORIZED, SESSION, LOG = "sshd_config", "host_key", "authorized_keys", "session", "sshd.log"
#: Where servers are that are not on everybody's PATH, and where they have their server of files.
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/usr/local/bin", "/usr/bin", "/sbin")
_FILES = ("/usr/lib/openssh", "/usr/libexec/openssh", "/usr/lib/ssh", "/usr/libexec", "/usr/lib64/ssh")

_CONFIG = """\
HostKey "{folder}/{key}"
AuthorizedKeysFile "{authorized}"
ForceCommand exec /bin/sh {session}
AllowUsers {user}
PidFile none
LogLevel ERROR
# The folder is its owner's alone, wherever it is.
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserEnvironment no
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
AllowAgentForwarding yes
GatewayPorts no
PermitTunnel no
X11Forwarding no
PrintMotd no
PrintLastLog no
ClientAliveInterval 30
ClientAliveCountMax 4
AcceptEnv LANG LC_*
"""


def find(given: str | None = None) -> str:
    """The path of the server; empty where there is none, or ``given`` is empty to have none used."""
    if given is not None:
        return given
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_PLACES])
    return shutil.which("sshd", path=path) or ""


def account() -> str:
    """Who logs in: the name of the user that this process runs as; empty where the system does not know one."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def config(folder: Path, user: str) -> str:
    """The server's configuration for the machine that has this folder.

    Raises:
        InvalidSpec: the folder has a name that cannot be written there.
    """
    if any(sign in str(folder) for sign in '"\\\n'):
        raise InvalidSpec.of(
            "provider", f"an ssh server cannot read the path {str(folder)!r}. Set QWEX_HOME to another"
        )
    # In this one a percent sign would be a token's.
    authorized = f"{folder}/{AUTHORIZED}".replace("%", "%%")
    session = shlex.quote(f"{folder}/{SESSION}")
    text = _CONFIG.format(folder=folder, key=HOST_KEY, authorized=authorized, session=session, user=user)
    server = _program("sftp-server", _FILES)
    return f"{text}Subsystem sftp {server}\n" if server else text


async def problem(program: str, folder: Path) -> str:
    """What the server itself has against that configuration, and what to do; empty where nothing."""
    if not program:
        return f"there is no ssh server. {INSTALL}"
    command = (program, "-t", "-f", str(folder / CONFIG))
    try:
        checked = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as error:
        return f"{program} cannot be run: {error.strerror}"
    said, _ = await checked.communicate()
    if not checked.returncode:
        return ""
    words = said.decode(errors="replace").strip()
    # A server that was never started as a service, in a container that root works in.
    hint = f". Make it: mkdir {words.rpartition(' ')[2]}" if words.startswith("Missing privilege separation") else ""
    return f"{program} says: {words}{hint}"


def _program(name: str, places: Iterable[str]) -> str:
    return next((f"{place}/{name}" for place in places if os.access(f"{place}/{name}", os.X_OK)), "")
