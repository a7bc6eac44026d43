"""What holds an object that was deleted and is still there, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.errors import BackendUnavailable, NotAuthorized
from qwex_kueue.amounts import listed
from qwex_kueue.errors import ApiError, Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex_kueue.apiserver import ApiServer

__all__ = ["Remains", "explained"]

#: Kubernetes' own, which it takes away by itself.
_USUAL = {
    "foregroundDeletion": "it waits for what belongs to it",
    "kubernetes.io/pvc-protection": "a pod has it mounted",
}


class Remains(NamedTuple):
    """An object that should be gone."""

    #: ``pod``, ``StatefulSet``: as it is said, and in small letters as kubectl takes it.
    kind: str
    name: str
    path: str

    async def told(self, server: ApiServer) -> str:
        """What the cluster says of it now."""
        try:
            found = await server.get(self.path)
        except Missing:
            return f"the {self.kind} {self.name} has only just gone"
        except (ApiError, BackendUnavailable, NotAuthorized) as error:
            return f"the {self.kind} {self.name} was there, and what holds it is not known: {error.message}"
        return explained(self.kind, found)


def explained(kind: str, found: Mapping[str, Any]) -> str:
    """What holds it, and who can help."""
    metadata = found["metadata"]
    what = f"the {kind} {metadata['name']}"
    finalizers = metadata.get("finalizers") or []
    held = [each for each in finalizers if each not in _USUAL]
    if not held:
        why = listed([_USUAL[each] for each in finalizers] or ["no finalizer holds it"])
        return f"{what} is still there: {why}"
    patch = f"kubectl -n {metadata['namespace']} patch {kind.lower()} {metadata['name']} --type=merge"
    return (
        f"{what} is held by the finalizer{'s' if held[1:] else ''} {listed(held)}; ask who runs that controller. As a "
        f'last resort, which leaves its work undone: {patch} -p \'{{"metadata":{{"finalizers":null}}}}\''
    )
