"""Runs first in every Python process of a job: what trackers need there, then the sitecustomize that this one hides.

Its folder stands first in PYTHONPATH of jobs that are tracked, and leaves ``sys.path`` again here.
"""

from __future__ import annotations

import os
import sys


def _run(path: str) -> None:
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    exec(code, {"__name__": "qwex_startup", "__file__": path})  # noqa: S102


def _give_way() -> None:
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != own]
    this = sys.modules.pop("sitecustomize")
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as error:
        sys.modules["sitecustomize"] = this
        if error.name != "sitecustomize":
            raise


for _path in os.environ.get("QWEX_STARTUP", "").split(os.pathsep):
    try:
        if _path:
            _run(_path)
    except Exception:  # noqa: S110 - whatever becomes of it, the job's own code runs
        pass
_give_way()
