"""Jobs that other controllers look after, in the places that this one uses."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from qwex.errors import NotFound, QwexError
from qwex.wording import cause, joined

if TYPE_CHECKING:
    from qwex.controller.backends import Backends
    from qwex.record import JobRecord

__all__ = ["jobs", "missing"]


async def jobs(backends: Backends) -> list[JobRecord]:
    """Those of the backends in use, newest first; a place that cannot be used shows none."""
    with suppress(QwexError):
        await backends.get(None)
    found = [record for backend in backends for record in await backend.elsewhere()]
    return sorted(found, key=lambda record: -record.created_at)


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
