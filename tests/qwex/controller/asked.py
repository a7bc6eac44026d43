"""Who asks, and for what."""

from __future__ import annotations

from qwex.controller.auth import Caller
from qwex.spec import JobSpec

__all__ = ["ME", "spec"]

ME = Caller("me", is_local=True)


def spec(*args, **more):
    source = more.pop("source", {"kind": "command"})
    return JobSpec(source=source, args=args or ("true",), **more)
