"""The Versity gateway, built from its Go module once and kept."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from harness import gobuild, places

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["folder", "gateway"]

_MODULE = Path(__file__).parent / "modules" / "versitygw"
_PACKAGE = "github.com/versity/versitygw/cmd/versitygw"
_GO = (1, 26)


def folder() -> Path:
    """What outlives all servers: the program, and the state of the one that a person has started."""
    found = places.cache().with_name("s3")
    found.mkdir(parents=True, exist_ok=True)
    return found


def gateway(say: Callable[[str], None]) -> Path:
    """The program, built if it is not there: about two minutes, once.

    Raises:
        ClusterError: there is no Go, or the build failed.
    """
    go = gobuild.command(_GO, _MODULE, "The S3 server of the tests is built", "do without its tests")
    inputs = [gobuild.version(go, _MODULE), platform.machine()]
    name = places.digest([*inputs, *(path.read_bytes() for path in sorted(_MODULE.glob("go.*")))])
    program = folder() / name / "versitygw"
    with places.locked(folder() / f"{name}.lock", lambda: say("another build runs; waiting for it")):
        if not program.exists():
            say("versitygw: building, about 2 min the first time")
            part = folder() / f"part-{name}"
            gobuild.build(go, _MODULE, [_PACKAGE], part, say, names=["versitygw"])
            part.rename(program.parent)
    return program
