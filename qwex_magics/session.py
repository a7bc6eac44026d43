"""What the settings say now, and the client they name; the same client as ``import qwex`` has."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qwex.errors import NotAuthorized

if TYPE_CHECKING:
    from qwex.client import Client

__all__ = ["client", "defaults", "prepare", "running"]


def client() -> Client:
    """The client of the controller that the settings name; nothing is asked of it yet."""
    from qwex.client import sdk

    return sdk.client()


def defaults() -> dict[str, Any]:
    """Options for jobs that don't name them: the ``[submit]`` section of the configuration."""
    from qwex.config import load
    from qwex.options import project_defaults

    return project_defaults(load())


def prepare() -> None:
    """Start the controller, if there is none, while the first job's imports go on: each takes a third of a second."""
    with suppress(NotAuthorized):  # who submits meets the same error, and shows it
        if running():
            return
    threading.Thread(target=_start, name="qwex start", daemon=True).start()


def _start() -> None:
    from qwex.client import daemon
    from qwex.config import load
    from qwex.errors import QwexError

    # Who submits meets the same error again, and shows it.
    with suppress(QwexError, OSError):
        daemon.ensure(load().folder)


def running() -> bool:
    """Whether a controller is there already; asks nothing of it and starts none.

    Raises:
        NotAuthorized: the socket belongs to another user.
    """
    from qwex.client import daemon
    from qwex.config import load

    settings = load()
    return bool(settings.url) or daemon.answers(settings.folder)
