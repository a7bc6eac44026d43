"""Queues and GPUs of every backend in use; one that cannot be asked hides no other's."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from qwex.errors import QwexError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from qwex.backend import Backend
    from qwex.controller.backends import Backends
    from qwex.gpus import GpuReport
    from qwex.state import QueueInfo

__all__ = ["gpus", "queues"]

log = logging.getLogger(__name__)

AnswerT = TypeVar("AnswerT")


async def queues(backends: Backends, default: str) -> tuple[list[QueueInfo], dict[str, str]]:
    """The queues there are, and why a backend does not tell its own, by its name."""
    told, away = await _everywhere(backends, default, lambda backend: backend.queues())
    return [queue for each in told.values() for queue in each], away


async def gpus(backends: Backends, default: str) -> tuple[dict[str, GpuReport], dict[str, str]]:
    """What each backend says of its GPUs, and why one does not, by its name."""
    return await _everywhere(backends, default, lambda backend: backend.gpus())


async def _everywhere(
    backends: Backends, default: str, ask: Callable[[Backend[Any]], Awaitable[AnswerT]]
) -> tuple[dict[str, AnswerT], dict[str, str]]:
    used = {default, *(backend.name for backend in backends), *backends.unavailable}
    told, away = await _asked(sorted(used), backends, ask)
    if default in away:
        # Who cannot use the default sees where else a job could go; of those, what fails is nobody's concern.
        rest = [name for name, _ in backends.plugins.backends if name not in used]
        others, _ = await _asked(rest, backends, ask)
        told |= others
    return told, away


async def _asked(
    names: Sequence[str], backends: Backends, ask: Callable[[Backend[Any]], Awaitable[AnswerT]]
) -> tuple[dict[str, AnswerT], dict[str, str]]:
    told: dict[str, AnswerT] = {}
    away: dict[str, str] = {}

    async def one(name: str) -> None:
        try:
            told[name] = await ask(await backends.get(name))
        except QwexError as error:
            away[name] = str(error)
        except Exception as error:
            log.exception("%s does not tell what it has", name)
            away[name] = f"{type(error).__name__}: {error}"

    await asyncio.gather(*map(one, names))
    ordered = [name for name in names if name in told]
    return {name: told[name] for name in ordered}, {name: away[name] for name in names if name in away}
