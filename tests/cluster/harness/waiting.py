"""Waiting for a condition, with a deadline."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["wait_until"]

T = TypeVar("T")


def wait_until(condition: Callable[[], T | None], what: str, seconds: float = 30, pause: float = 0.05) -> T:
    """The condition's first true value.

    Raises:
        TimeoutError: it had none in time; the text names ``what``.
    """
    nobody = threading.Event()
    deadline = time.monotonic() + seconds
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        nobody.wait(pause)
