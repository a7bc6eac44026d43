"""From a stored job to the plan of one attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.backend import Plan
from qwex.errors import InvalidSpec, NotFound
from qwex.spec import JobSpec

if TYPE_CHECKING:
    from qwex.controller.blobs import Blobs
    from qwex.controller.environments import Environments
    from qwex.controller.job import LiveJob
    from qwex.controller.store import Store
    from qwex.controller.tracking import Tracking

__all__ = ["Planner"]


class Planner:
    """Makes plans: the spec, what trackers added, where the environment and the inputs lie."""

    def __init__(self, store: Store, environments: Environments, blobs: Blobs | None, tracking: Tracking) -> None:
        self._store = store
        self._environments = environments
        self._blobs = blobs
        self._tracking = tracking

    async def again(self, job: LiveJob) -> Plan:
        """The plan of a stored job's present attempt."""
        text = await self._store.spec(job.id)
        if text is None:
            raise NotFound(f"the spec of {job.id} is gone")
        return await self.plan(job, JobSpec.model_validate_json(text))

    async def plan(self, job: LiveJob, spec: JobSpec) -> Plan:
        """The plan of a job's present attempt.

        Raises:
            InvalidSpec: an input names bytes that were not uploaded.
        """
        if job.variables:
            spec = spec.model_copy(update={"env": {**job.variables, **spec.env}})
        environment = self._environments.path(job.environment) if job.environment else None
        later = self._tracking.later(job)
        startup = self._tracking.startup(job)
        user = job.record.user
        urls = await self._urls(spec, user)
        return Plan(job.id, spec, user, job.record.attempt, environment, urls, later, startup)

    async def _urls(self, spec: JobSpec, user: str) -> dict[str, str]:
        urls: dict[str, str] = {}
        for name, value in spec.inputs.items():
            if value.digest and not value.data and value.size:
                urls[value.digest] = await self._url(name, value.digest, user)
        return urls

    async def _url(self, name: str, digest: str, user: str) -> str:
        field = f"inputs.{name}.digest"
        if self._blobs is None:
            raise InvalidSpec.of(field, "this controller keeps no blobs; send the value inline")
        try:
            return await self._blobs.url(user, digest)
        except NotFound:
            raise InvalidSpec.of(field, f"no blob {digest}; upload it first with PUT /blobs/{digest}") from None
