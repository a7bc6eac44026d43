"""Jobs that other controllers look after, in the places that this one uses."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from qwex.errors import NotFound
from qwex.wording import cause, joined

if TYPE_CHECKING:
    from qwex.backend import Backend
    from qwex.controller.backends import Backends
    from qwex.record import JobRecord

__all__ = ["jobs", "missing"]

log = logging.getLogger(__name__)

#: Seconds that a place has to start, and to answer: others' jobs are a courtesy.
_PATIENCE = 2.0


async def jobs(backends: Backends) -> list[JobRecord]:
    """Those of the backends in use, newest first; a place that cannot be used shows none."""
    await backends.started(None, _PATIENCE)
    found = await asyncio.gather(*(_of(backend) for backend in backends))
    return sorted((record for records in found for record in records), key=lambda record: -record.created_at)


async def _of(backend: Backend[Any]) -> list[JobRecord]:
    try:
        return await asyncio.wait_for(backend.elsewhere(), _PATIENCE)
    except Exception as error:
        log.warning("%s does not show others' jobs: %s", backend.name, str(error) or type(error).__name__)
        return []


async def missing(run_id: str, backends: Backends) -> NotFound:
    """The error of a job that is not this controller's, with what can be seen of it where it is another's."""
    found = next((record for record in await jobs(backends) if record.id == run_id), None)
    if found is None:
        return NotFound(f"no job {run_id!r}. See them with: qwex list")
    seen = joined(f"{found.state} in {found.queue} on {found.backend}", cause(found))
    return NotFound(
        f"{run_id} is looked after by another controller, for the user {found.user}: {seen.rstrip('.')}. "
        "Only that one has its output and may change it: go on where it was submitted"
    )
