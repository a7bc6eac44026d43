"""Who asks, and what they may see: the owner of the Unix socket everything, users with a token their own jobs.

Records (``GET /jobs``, queues, why) are open to every known user, so that a shared queue can be understood. A job's
spec, output and values, and what changes it, are its owner's and the administrator's. This holds for the API. Jobs of
a backend that runs them as the controller's own user can do what that user can; there a token is as good as a login.
"""

from __future__ import annotations

import getpass
import hmac
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qwex.controller.problems import Unauthenticated
from qwex.errors import ConfigError, NotAuthorized

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from qwex.machines import MachineRecord
    from qwex.record import JobRecord

__all__ = ["LOCAL", "Caller", "Tokens", "local_caller"]

#: Key of an ASGI scope: whether the request came over the Unix socket.
LOCAL = "qwex.local"


@dataclass(frozen=True)
class Caller:
    """A known user."""

    user: str
    #: Came over the Unix socket: the controller's own user, its administrator.
    is_local: bool = False

    def may_read(self, record: JobRecord | MachineRecord) -> bool:
        """Whether the job, or machine, is the caller's to read whole and to change."""
        return self.is_local or record.user == self.user

    def require(self, record: JobRecord | MachineRecord, noun: str = "job") -> None:
        """Refuse unless the job, or machine, is the caller's to read whole and to change.

        Raises:
            NotAuthorized: it is another user's.
        """
        if not self.may_read(record):
            raise NotAuthorized(f"the {noun} {record.id} belongs to {record.user}; only they may do this")


def local_caller() -> Caller:
    """The user this controller runs as."""
    try:
        return Caller(getpass.getuser(), is_local=True)
    except (KeyError, OSError):
        return Caller(f"uid-{os.getuid()}", is_local=True)


class Tokens:
    """Users by their bearer tokens."""

    def __init__(self, users: Mapping[str, str]) -> None:
        """``users`` gives each token's user."""
        self._users = {token.encode(): user for token, user in users.items()}

    @classmethod
    def read(cls, path: Path) -> Tokens:
        """From a file of lines ``user:token``; empty lines and those that begin with # are left out.

        Raises:
            ConfigError: it cannot be read, is open to others, names nobody, or a line is not of that form.
        """
        try:
            lines, mode = path.read_text("utf-8").splitlines(), path.stat().st_mode
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"the token file {path} cannot be read: {error}") from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(f"the token file {path} is open to others; run: chmod 600 {path}")
        users: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.startswith("#"):
                user, colon, token = line.strip().partition(":")
                if not (user and colon and len(token) >= _SHORTEST):
                    raise ConfigError(f"{path}:{number}: not of the form user:token ({_SHORTEST} characters or more)")
                if users.setdefault(token, user) != user:
                    raise ConfigError(f"{path}:{number}: {user} has the token of {users[token]}; give each their own")
        if not users:
            raise ConfigError(f"the token file {path} names nobody; write a line user:token for each")
        return cls(users)

    def caller(self, authorization: str | None) -> Caller:
        """Who sent that Authorization header; every token is compared, in constant time.

        Raises:
            Unauthenticated: nobody known.
        """
        scheme, _, given = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise Unauthenticated("say who you are: Authorization: Bearer <token> (QWEX_TOKEN)")
        found = [user for token, user in self._users.items() if hmac.compare_digest(token, given.strip().encode())]
        if not found:
            raise Unauthenticated("the token is not known here; check QWEX_TOKEN")
        return Caller(found[0])


_SHORTEST = 16
