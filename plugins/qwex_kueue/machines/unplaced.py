"""Why no node takes a machine's pod: it goes where its home is, which has no volume, or one that is elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qwex.errors import BackendUnavailable, NotAuthorized
from qwex.state import WaitReason, Why
from qwex_kueue import podevents
from qwex_kueue.errors import ApiError
from qwex_kueue.scheduling import NO_WAY, unplaced

if TYPE_CHECKING:
    from qwex_kueue.apiserver import ApiServer
    from qwex_kueue.objects import Pod

__all__ = ["explain", "trouble_of"]

#: The scheduler's word for a claim that its class, which does not wait for a pod, has given no volume.
_UNBOUND = "unbound immediate PersistentVolumeClaims"
_HOLDS = "it holds its quota meanwhile. With less of it: qwex machine start, with --gpu, --cpu or --mem"
_CLASS = "a home keeps its class: delete the machine with --purge, and create it with another --storage-class"
_THERE = "it runs only where its home is: ask for what those nodes have, or take a new home (another name, or --purge)"


def explain(pod: Pod, claim: str, trouble: str) -> Why | None:
    """The answer, with what the events of its claim say; None for a pod that has a node, or may get one yet."""
    if not (message := unplaced(pod)):
        return None
    if _UNBOUND in message:
        why = trouble or f"its claim {claim} waits for one"
        return Why(
            f"it has its quota, and its home has no volume: {why}", WaitReason.STARTING.value, suggestions=(_CLASS,)
        )
    if NO_WAY in message:
        told = f"{message}. That is the volume of its home, {claim}"
        return Why(told, WaitReason.STARTING.value, suggestions=(_THERE,))
    return Why(message, WaitReason.STARTING.value, suggestions=(_HOLDS,))


async def trouble_of(server: ApiServer, claim: str) -> str:
    """What the newest warning about a claim says; empty where there is none, or events cannot be read."""
    try:
        found = await server.get(f"{server.core}/events", fieldSelector=f"involvedObject.name={claim},type=Warning")
    except (ApiError, BackendUnavailable, NotAuthorized):
        return ""
    warnings: list[dict[str, Any]] = found.get("items") or []
    return str(max(warnings, key=podevents.when)["message"]) if warnings else ""
