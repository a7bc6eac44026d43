"""From a stored job to the plan of one attempt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qwex.backend import Plan
from qwex.errors import NotFound
from qwex.spec import JobSpec

if TYPE_CHECKING:
    from qwex.controller.addresses import Addresses
    from qwex.controller.environments import Environments
    from qwex.controller.job import LiveJob
    from qwex.controller.store import Store
    from qwex.controller.tracking import Tracking

__all__ = ["Planner"]


class Planner:
    """Makes plans: the spec, what trackers added, where the environment and the inputs lie."""

    def __init__(self, store: Store, environments: Environments, addresses: Addresses, tracking: Tracking) -> None:
        self._store = store
        self._environments = environments
        self._addresses = addresses
        self._tracking = tracking

    async def again(self, job: LiveJob) -> Plan:
        """The plan of a stored job's present attempt."""
        text = await self._store.spec(job.id)
        if text is None:
            raise NotFound(f"the spec of {job.id} is gone")
        return await self.plan(job, JobSpec.model_validate_json(text))

    async def anew(self, job: LiveJob) -> Plan:
        """The same for a job that may have its addresses already, and must not lose one.

        Raises:
            ArtifactsUnavailable: it would.
        """
        plan = await self.again(job)
        await self._addresses.check(job, plan)
        return plan

    async def plan(self, job: LiveJob, spec: JobSpec) -> Plan:
        """The plan of a job's present attempt.

        Raises:
            InvalidSpec: an input names bytes that were not uploaded.
        """
        plan = Plan(
            job.id,
            spec,
            job.record.user,
            job.record.attempt,
            self._environments.path(job.environment) if job.environment else None,
            await self._addresses.inputs(job, spec),
            parcel=await self._addresses.parcel(job),
        )
        return self.tracked(plan, job)

    def tracked(self, plan: Plan, job: LiveJob) -> Plan:
        """The plan with what trackers give the job by now."""
        spec = plan.spec
        if job.variables:
            spec = spec.model_copy(update={"env": {**job.variables, **spec.env}})
        return replace(plan, spec=spec, later=self._tracking.later(job), startup=self._tracking.startup(job))
