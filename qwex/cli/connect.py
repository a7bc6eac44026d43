"""The client a command talks through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qwex.errors import ControllerUnavailable

if TYPE_CHECKING:
    from qwex.client import Client

__all__ = ["client", "health"]


def client(*, start: bool = True) -> Client:
    """A client for the settings as they are; ``start`` brings up a controller of one's own when there is none."""
    from qwex.client import Client

    return Client(start=start)


def health() -> dict[str, Any] | None:
    """What the controller says of itself; None when none runs."""
    try:
        return client(start=False).health()
    except ControllerUnavailable:
        return None
