"""The queues of every backend in use; one that cannot be asked hides no other's."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from qwex.errors import QwexError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.controller.backends import Backends
    from qwex.state import QueueInfo

__all__ = ["queues"]

log = logging.getLogger(__name__)


async def queues(backends: Backends, default: str) -> tuple[list[QueueInfo], dict[str, str]]:
    """The queues there are, and why a backend does not tell its own, by its name."""
    used = {default, *(backend.name for backend in backends), *backends.unavailable}
    found, away = await _asked(sorted(used), backends)
    if default in away:
        # Who cannot use the default sees where else a job could go; of those, what fails is nobody's concern.
        others, _ = await _asked([name for name, _ in backends.plugins.backends if name not in used], backends)
        found += others
    return found, away


async def _asked(names: Sequence[str], backends: Backends) -> tuple[list[QueueInfo], dict[str, str]]:
    found: list[QueueInfo] = []
    away: dict[str, str] = {}
    for name, told in zip(names, await asyncio.gather(*(_of(name, backends) for name in names)), strict=True):
        if isinstance(told, str):
            away[name] = told
        else:
            found += told
    return found, away


async def _of(name: str, backends: Backends) -> list[QueueInfo] | str:
    try:
        return await (await backends.get(name)).queues()
    except QwexError as error:
        return str(error)
    except Exception as error:
        log.exception("%s does not tell its queues", name)
        return f"{type(error).__name__}: {error}"
