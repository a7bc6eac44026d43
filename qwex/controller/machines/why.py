"""Why a machine does not run, in one answer for every state."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from qwex.machines import MachineReason, MachineState
from qwex.machinewords import machine_message
from qwex.state import WaitReason, Why

if TYPE_CHECKING:
    from qwex.controller.machines.providers import Providers
    from qwex.machines import MachineRecord

__all__ = ["why"]

log = logging.getLogger(__name__)

#: What a provider that has not answered a wish yet is said to be about; it is asked again.
_NOT_NOW = {
    WaitReason.BACKEND_UNAVAILABLE.value: "cannot do it now",
    MachineReason.FORBIDDEN.value: "may not do it",
}


async def why(record: MachineRecord, providers: Providers) -> Why:
    """What is known; a provider that does not tell gets a plain sentence, not a guess."""
    if record.state is MachineState.RUNNING:
        where = record.node and f" on the node {record.node}"
        return Why(f"it runs{where}{record.message and f'. {record.message}'}")
    if record.native_id and record.reason not in _NOT_NOW:
        try:
            provider = await providers.get(record.provider)
            if found := await provider.explain(record.native_id):
                return found
        except Exception as error:
            # An explanation is a courtesy: what is known is told all the same.
            log.warning("%s does not explain %s: %s", record.provider, record.id, error)
    if said := _NOT_NOW.get(record.reason):
        return Why(f"its provider {record.provider} {said}: {record.message}", record.reason)
    said = machine_message(record)
    return Why(f"it is {record.state.value}{said and f': {said}'}", record.reason)
