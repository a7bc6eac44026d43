"""What the machine must have, and what of it can be installed."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["cni_plugins", "limits", "need_root", "packages"]

#: Programs and the Debian packages that have them.
_PROGRAMS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "ip": "iproute2",
    "openssl": "openssl",
    "unshare": "util-linux",
    "ldd": "libc-bin",
}


def need_root() -> None:
    """Raise unless this process may make namespaces, bridges and control groups."""
    if platform.system() != "Linux":
        raise ClusterError(f"A cluster without Docker needs Linux, not {platform.system()}: install Docker and kind.")
    if os.geteuid() != 0:
        raise ClusterError(
            "A cluster without Docker needs root: kubelet and containerd make namespaces, mounts and control groups. "
            "Run it as root, install Docker and kind, or name an existing cluster in QWEX_TEST_KUBECONFIG."
        )


def limits() -> None:
    """Let a user watch more files: a cluster takes some 30 of the usual 128 instances, and one without fails oddly."""
    for name, least in (("max_user_instances", 1024), ("max_user_watches", 65536)):
        file = Path("/proc/sys/fs/inotify") / name
        if int(file.read_text()) < least:
            # Where that may not be written, the first clusters still come up.
            with suppress(OSError):
                file.write_text(str(least))


def packages(say: Callable[[str], None]) -> None:
    """Install what is missing with apt-get; raise where that is not possible."""
    missing = {package for program, package in _PROGRAMS.items() if not shutil.which(program)}
    if cni_plugins() is None:
        missing.add("containernetworking-plugins")
    if not missing:
        return
    names = sorted(missing)
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise ClusterError(f"This machine lacks {', '.join(names)} (Debian's names). Install them and try again.")
    say(f"installing {', '.join(names)}")
    # An old list names files that are no longer there.
    _apt("update", "-qq")
    _apt("install", "-y", "-qq", "--no-install-recommends", *names)


def cni_plugins() -> Path | None:
    """The folder of the CNI plugins: Debian's, or everybody else's."""
    return next((p for p in (Path("/usr/lib/cni"), Path("/opt/cni/bin")) if (p / "bridge").exists()), None)


def _apt(*words: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"apt-get {' '.join(words)} failed:\n{done.stderr[-1000:]}")
