"""A virtual environment for each peer in the user's cache, made once per list of requirements."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["NotInstalled", "python_of"]


class NotInstalled(Exception):
    """A peer could not be installed here; the message is pip's last words."""


def python_of(name, requirements):
    """The interpreter that has ``requirements``; qwex's own when there are none.

    Raises:
        NotInstalled: pip failed, for example because the peer has no wheel for this Python.
    """
    if not requirements:
        return sys.executable
    folder = _cache() / name
    mark, wanted = folder / ".done", _digest(requirements)
    if not (mark.exists() and mark.read_text() == wanted):
        _make(folder, name, requirements)
        mark.write_text(wanted)
    return str(folder / "bin/python")


def _cache():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qwex/bench"


def _digest(requirements):
    return hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()


def _make(folder, name, requirements):
    print(f"{name}: a virtual environment in {folder}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    argv = [str(folder / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"]
    with subprocess.Popen([*argv, *requirements], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        last = ""
        for line in pip.stdout:
            last = line.strip() or last
            if line.startswith(("Collecting", "Installing", "Successfully", "ERROR")):
                print(f"  {line.strip()[:110]}", flush=True)
    if pip.returncode:
        raise NotInstalled(last)
