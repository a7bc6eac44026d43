"""Everything that is written to the cluster for machines: StatefulSets, homes, and the Secrets that open them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from typing import TYPE_CHECKING, Any

from qwex.errors import BackendUnavailable, Conflict, InvalidSpec, NotAuthorized
from qwex_kueue.errors import ApiError, Missing
from qwex_kueue.machines import remains
from qwex_kueue.machines.manifests import CONTROLLER, object_name
from qwex_kueue.names import USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex_kueue.apiserver import ApiServer
    from qwex_kueue.machines.manifests import MachineRequest

__all__ = ["MachineWriter"]

_MERGE = "application/merge-patch+json"
#: Seconds before each further try of what Kueue does not let be while the pod of before ends.
_ENDING = (0.1, 0.2, 0.3, 0.5, *[1.0] * 30)
#: What Kueue's webhook of StatefulSets says meanwhile.
_NOT_YET = ("scaling down is still in progress", "workload is being deleted", "still in progress")
_TOUCHED = "qwex.dev/touched"
#: What Kueue's webhook of StatefulSets leaves in the template of one that it looks after.
_KUEUES = "kueue.x-k8s.io/"
_UNMANAGED = (
    "Kueue does not look after StatefulSets in the namespace {namespace}: a machine there would run outside every "
    "quota, so qwex does not start any. Ask whoever runs the cluster (Kueue's integration statefulset)"
)


class MachineWriter:
    """Creates, scales and deletes; what is there already from a create whose answer was lost is taken for created."""

    def __init__(self, server: ApiServer, controller: str) -> None:
        self._server = server
        self._controller = controller

    @property
    def stateful_sets(self) -> str:
        """The path of the namespace's StatefulSets."""
        return f"/apis/apps/v1/namespaces/{self._server.namespace}/statefulsets"

    async def check_free(self, request: MachineRequest) -> None:
        """Return unless another controller has a machine of that name: nothing of theirs may be touched.

        Raises:
            Conflict: it has.
        """
        with contextlib.suppress(Missing):
            await self._check_owner(request.stateful_set)

    async def rehearse(self, request: MachineRequest) -> None:
        """Return if the cluster would take the StatefulSet, and Kueue would look after it: a dry run of its creation.

        Raises:
            InvalidSpec: it would not.
        """
        metadata = {**request.stateful_set["metadata"], "name": f"{object_name(request.machine_id)}-preflight"}
        with _refusals(f"the machine {request.machine_id}"):
            probe = {**request.stateful_set, "metadata": metadata}
            answer = await self._server.create(self.stateful_sets, probe, dryRun="All")
        annotations = answer["spec"]["template"]["metadata"].get("annotations") or {}
        if not any(name.startswith(_KUEUES) for name in annotations):
            raise InvalidSpec(_UNMANAGED.format(namespace=self._server.namespace))

    async def prepare(self, request: MachineRequest) -> None:
        """The home, where there is none, and the Secret as it should be.

        The home comes first: of two controllers that make a machine of that name at once, it is one's alone.

        Raises:
            Conflict: there is a home of that name, of another controller's.
            InvalidSpec: the cluster refuses it.
            BackendUnavailable: not now.
        """
        with _refusals(f"the home of {request.machine_id}"):
            await self._make_home(request)
        await self.put_secret(request)

    async def put_secret(self, request: MachineRequest) -> None:
        """The Secret, in place of one of before; a running pod sees the new one within about a minute."""
        key = await asyncio.to_thread(request.host_key.read_bytes)
        data = {**request.secret["data"], "ssh_host_ed25519_key": base64.b64encode(key).decode()}
        secret = {**request.secret, "data": data}
        with _refusals(f"the Secret of {request.machine_id}"):
            if not await self._create("secrets", secret):
                # To read or change Secrets is a right of its own, which users of qwex need not have.
                await self._server.delete(f"{self._server.core}/secrets/{secret['metadata']['name']}")
                await self._create("secrets", secret)

    async def create(self, request: MachineRequest) -> None:
        """The StatefulSet, which is not there.

        Raises:
            Conflict: another controller's machine has that name.
        """
        with _refusals(f"the machine {request.machine_id}"):
            await self._insisting("POST", self.stateful_sets, request.stateful_set)

    async def scale(self, machine_id: str, replicas: int) -> None:
        """Have one pod or none."""
        path = f"{self.stateful_sets}/{object_name(machine_id)}"
        with _refusals(f"the machine {machine_id}"):
            await self._insisting("PATCH", path, {"spec": {"replicas": replicas}})

    async def touch(self, machine_id: str) -> None:
        """Change what means nothing, so that Kueue looks at it."""
        path = f"{self.stateful_sets}/{object_name(machine_id)}"
        body = {"metadata": {"annotations": {_TOUCHED: f"{time.time():.3f}"}}}
        await self._server.call("PATCH", path, body=body, kind=_MERGE)

    async def delete(self, machine_id: str) -> None:
        """Delete the StatefulSet; its pod is told, and has its grace."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"}
        await self._server.delete(f"{self.stateful_sets}/{object_name(machine_id)}", options)

    async def clear(self, machine_id: str, *, purge: bool) -> None:
        """Delete what is left of a deleted machine, and with ``purge`` its home."""
        await self._server.delete(f"{self._server.core}/secrets/{object_name(machine_id, 'auth')}")
        if purge:
            with contextlib.suppress(Missing):
                await self._check_home(machine_id)
                await self._server.delete(self._home(machine_id))

    async def _create(self, kind: str, body: Mapping[str, Any]) -> bool:
        """Whether it was not there."""
        try:
            await self._server.create(f"{self._server.core}/{kind}", body)
        except ApiError as error:
            if error.status != 409:
                raise
            return False
        return True

    async def _insisting(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        """Ask again while Kueue is not done with the pod of before."""
        for pause in (*_ENDING, None):
            try:
                if method == "POST":
                    await self._server.create(path, body)
                else:
                    await self._server.call(method, path, body=body, kind=_MERGE)
                return
            except (ApiError, NotAuthorized) as error:  # a webhook's refusal may come as the one or the other
                if isinstance(error, ApiError) and error.status == 409 and method == "POST":
                    await self._check_owner(body)
                    return
                if not any(said in error.message for said in _NOT_YET):
                    raise
                if pause is None:
                    raise BackendUnavailable(f"Kueue is not done with the pod of before: {error.message}") from error
            await asyncio.sleep(pause)

    def _home(self, machine_id: str) -> str:
        return f"{self._server.core}/persistentvolumeclaims/{object_name(machine_id, 'home')}"

    async def _make_home(self, request: MachineRequest) -> None:
        """The home, where there is none; one that was purged has to be gone before."""
        for pause in (*_ENDING, None):
            if await self._create("persistentvolumeclaims", request.home):
                return
            try:
                found = await self._check_home(request.machine_id)
            except Missing:
                continue  # it has just gone
            if "deletionTimestamp" not in found["metadata"]:
                return
            if pause is None:
                why = remains.explained("PersistentVolumeClaim", found)
                raise BackendUnavailable(f"the home of before is being deleted: {why}")
            await asyncio.sleep(pause)

    async def _check_home(self, machine_id: str) -> dict[str, Any]:
        """The home, if it is this controller's: who has the same name elsewhere gets nobody's files.

        Raises:
            Conflict: it is another's; says how it is handed over.
            Missing: there is none.
        """
        found = await self._server.get(self._home(machine_id))
        labels = found["metadata"].get("labels") or {}
        if labels.get(CONTROLLER) != self._controller:
            name = found["metadata"]["name"]
            over = f"kubectl -n {self._server.namespace} label pvc {name} {CONTROLLER}={self._controller} --overwrite"
            raise Conflict(
                f"the cluster has a home {name} of another controller's, of {labels.get(USER) or 'nobody known'}. "
                f"Choose another name; if the home is yours, take it over: {over}"
            )
        return found

    async def _check_owner(self, body: Mapping[str, Any]) -> None:
        """Whether what has the name is this controller's, of a create whose answer was lost."""
        found = await self._server.get(f"{self.stateful_sets}/{body['metadata']['name']}")
        owner = (found["metadata"].get("labels") or {}).get(CONTROLLER)
        if owner != self._controller:
            raise Conflict(
                f"the cluster has a machine {body['metadata']['name']} of another controller; choose another name, or "
                "delete it from where it was made"
            )


@contextlib.contextmanager
def _refusals(what: str) -> Any:
    """The API server's refusals as the contract's errors."""
    try:
        yield
    except Missing as error:
        raise BackendUnavailable(f"{what}: {error.message}") from error
    except ApiError as error:
        raise InvalidSpec(f"the cluster refuses {what}: {error.message}") from error
