"""A PostgreSQL server of the tests' own, reached over a socket in its folder."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

__all__ = ["missing", "server"]

_PROGRAMS = ("initdb", "pg_ctl", "postgres")
_SECONDS = 60


def missing() -> str:
    """What keeps such a server from being started; empty if nothing does."""
    if importlib.util.find_spec("psycopg") is None:
        return "needs psycopg (pip install 'psycopg[binary]')"
    if absent := [name for name in _PROGRAMS if not shutil.which(name)]:
        return f"needs PostgreSQL's {absent[0]} on PATH"
    return "" if os.getuid() or _servant() else "PostgreSQL does not run as root, and there is no user postgres"


@contextmanager
def server():
    """SQLAlchemy URL of an empty database; the server ends with the block."""
    folder = Path(tempfile.mkdtemp(prefix="qxpg", dir="/tmp"))
    servant = None if os.getuid() else _servant()
    if servant:
        os.chown(folder, servant.pw_uid, servant.pw_gid)

    def run(*words):
        user = {"user": servant.pw_uid, "group": servant.pw_gid, "extra_groups": []} if servant else {}
        subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=_SECONDS, **user)

    data = str(folder / "data")
    try:
        run("initdb", "--no-sync", "--auth=trust", "--username=qwex", "--encoding=UTF8", "--locale=C.UTF-8", data)
        options = f"-c listen_addresses='' -c fsync=off -k {folder}"
        run("pg_ctl", "--wait", "--pgdata", data, "--log", str(folder / "log"), "--options", options, "start")
        try:
            yield f"postgresql+psycopg://qwex@/postgres?host={folder}"
        finally:
            run("pg_ctl", "--wait", "--pgdata", data, "--mode", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _servant():
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None
