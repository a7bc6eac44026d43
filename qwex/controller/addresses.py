"""Where a job's process reaches what lies in the artifact store: signed for one object, and for a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.artifacts import is_remote
from qwex.backend import Capability
from qwex.errors import ArtifactsUnavailable, InvalidSpec, NotFound

if TYPE_CHECKING:
    from qwex.backend import Plan
    from qwex.controller.artifacts import Artifacts
    from qwex.controller.blobs import Blobs
    from qwex.controller.job import LiveJob
    from qwex.controller.parcels import Parcels
    from qwex.plugins import Plugins
    from qwex.spec import JobSpec

__all__ = ["Addresses", "expire", "lifetime"]

#: Seconds that addresses may be made for: renewed often enough to hold, and no longer than stores sign any.
_SECONDS = (60.0, 604_800.0)


class Addresses:
    """They hold for ``lifetime`` seconds; ``shared`` is the store where it outlives this machine."""

    def __init__(
        self, shared: Artifacts | None, blobs: Blobs | None, parcels: Parcels, plugins: Plugins, lifetime: float
    ) -> None:
        self._shared = shared
        self._blobs = blobs
        self._parcels = parcels
        self._plugins = plugins
        self._lifetime = lifetime

    async def inputs(self, job: LiveJob, spec: JobSpec) -> dict[str, str]:
        """Of the inputs that are not inline, by digest.

        Raises:
            InvalidSpec: an input names bytes that were not uploaded.
        """
        urls: dict[str, str] = {}
        for name, value in spec.inputs.items():
            if value.digest and not value.data and value.size:
                urls[value.digest] = await self._input(name, value.digest, job.record.user)
        return urls

    async def parcel(self, job: LiveJob) -> tuple[str, ...]:
        """Where the present attempt may leave what nobody comes for; empty where its place keeps that by itself."""
        if not self._leaves_parcels(job):
            return ()
        return await self._parcels.addresses(job.record.user, job.id, job.record.attempt, self._lifetime)

    async def check(self, job: LiveJob, plan: Plan) -> None:
        """Whether the plan has all addresses that it should have.

        Raises:
            ArtifactsUnavailable: the store would have given one more.
        """
        if plan.parcel or not self._shared or not self._leaves_parcels(job):
            return
        if is_remote(await self._shared.url("any", self._lifetime, "PUT") or ""):
            raise ArtifactsUnavailable("the artifact store gave no address a moment ago")

    def _leaves_parcels(self, job: LiveJob) -> bool:
        kind = self._plugins.backends.get(job.record.backend)
        return kind is not None and Capability.FLEETING in kind.capabilities

    async def _input(self, name: str, digest: str, user: str) -> str:
        field = f"inputs.{name}.digest"
        if self._blobs is None:
            raise InvalidSpec.of(field, "this controller keeps no blobs; send the value inline")
        try:
            return await self._blobs.url(user, digest, self._lifetime)
        except NotFound:
            raise InvalidSpec.of(field, f"no blob {digest}; upload it first with PUT /blobs/{digest}") from None


def expire(plan: Plan) -> bool:
    """Whether there are any that do."""
    return bool(plan.parcel) or any(map(is_remote, plan.blobs.values()))


def lifetime(seconds: float) -> float:
    """The one that addresses get where somebody asks for that."""
    return max(_SECONDS[0], min(_SECONDS[1], seconds))
