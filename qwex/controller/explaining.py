"""Why a job waits, in one answer for every state."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from qwex import wording
from qwex.backend import Capability
from qwex.state import JobState, WaitReason, Why

if TYPE_CHECKING:
    from qwex.controller.backends import Backends
    from qwex.record import JobRecord

__all__ = ["why"]

log = logging.getLogger(__name__)


async def why(record: JobRecord, backends: Backends) -> Why:
    """What is known; a backend that does not tell gets a plain sentence, not a guess."""
    if record.state.terminal:
        said = f": {record.message}" if record.message else ""
        return Why(f"it has ended, {record.state.value}{said}")
    if record.reason == WaitReason.BACKEND_UNAVAILABLE.value:
        return _unreachable(record, record.message)
    if record.state is JobState.RUNNING:
        return _runs(record)
    if record.state is JobState.PENDING:
        return Why("it is recorded and on its way to its backend", WaitReason.RECORDED.value)
    return await _explained(record, backends) or _plain(record)


def _runs(record: JobRecord) -> Why:
    """For how long, where, and which attempt it is; the message of a running job is its node, where it has one."""
    long = wording.ran(record)
    node = f" on the node {record.message}" if record.message and not record.reason else ""
    again = wording.attempt(record)
    return Why(f"it runs{long and f' for {long} now'}{node} in the backend {record.backend}{again and f', {again}'}")


async def _explained(record: JobRecord, backends: Backends) -> Why | None:
    try:
        backend = await backends.get(record.backend)
    except Exception as error:
        return _unreachable(record, str(error))
    try:
        if Capability.EXPLAIN not in backend.capabilities:
            return None
        return await backend.explain(record.native_id or record.id)
    except Exception as error:
        # An explanation is a courtesy: what fails here must not end a stream of events.
        log.warning("%s does not explain %s: %s", record.backend, record.id, error)
        return Why(f"it waits in {record.queue or record.backend}, which cannot be asked for what just now")


def _unreachable(record: JobRecord, why: str) -> Why:
    return Why(f"the backend {record.backend} cannot be reached: {why}", WaitReason.BACKEND_UNAVAILABLE.value)


def _plain(record: JobRecord) -> Why:
    if record.state is JobState.ADMITTED:
        return Why("it is starting", WaitReason.STARTING.value)
    return Why(f"it waits in {record.queue or record.backend}; the backend does not say for what")
