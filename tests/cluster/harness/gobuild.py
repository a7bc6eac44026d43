"""The go command, and programs that it builds from a module's packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["build", "command", "version"]


def command(minimum: tuple[int, int], module: Path, what: str, otherwise: str) -> str:
    """The go command, new enough.

    Raises:
        ClusterError: there is none; ``what`` is built with it, ``otherwise`` is the way without it.
    """
    places_of_go = [shutil.which("go"), "/usr/local/go/bin/go", "/usr/lib/go/bin/go", "/opt/homebrew/bin/go"]
    places_of_go += [str(path) for path in sorted(Path.home().glob("sdk/go1.*/bin/go"), reverse=True)]
    too_old = []
    for go in places_of_go:
        if go and os.access(go, os.X_OK):
            its = version(go, module)
            found = re.search(r"go(\d+)\.(\d+)", its)
            if found and (int(found[1]), int(found[2])) >= minimum:
                return go
            too_old.append(f"{go} ({its})")
    wanted = ".".join(map(str, minimum))
    found_here = f"found only {', '.join(too_old)}" if too_old else "none was found on PATH or in /usr/local/go"
    raise ClusterError(f"{what} with Go {wanted} or newer; {found_here}. Install it, or {otherwise}.")


def version(go: str, module: Path) -> str:
    """Its version as it says it in the module's folder: one whose go.mod asks for more may make it fetch another."""
    done = subprocess.run([go, "env", "GOVERSION"], cwd=module, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def build(
    go: str,
    module: Path,
    packages: Sequence[str],
    folder: Path,
    say: Callable[[str], None],
    *,
    names: Sequence[str],
    stamps: Sequence[str] = (),
    cgo: bool = False,
) -> None:
    """One ``go build`` of packages into ``folder``, which is made anew; ``names`` are what it says of it.

    Raises:
        ClusterError: it failed.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ldflags = " ".join(["-s", "-w", *stamps])
    words = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", ldflags]
    environment = {**os.environ, "CGO_ENABLED": "1" if cgo else "0", "GOWORK": "off"}
    with _Heartbeat(", ".join(names), say):
        done = subprocess.run(
            [*words, "-o", f"{folder}/", *packages],
            cwd=module,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise ClusterError(f"go build of {', '.join(names)} failed:\n{done.stderr[-3000:]}")


class _Heartbeat:
    """Says every half a minute that it still goes on."""

    def __init__(self, what: str, say: Callable[[str], None]) -> None:
        self._what, self._say, self._over = what, say, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(30):
            self._say(f"{self._what}: still building")
