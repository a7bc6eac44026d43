"""7 · Unreachable: a place that does not answer is told apart from a job that cannot run."""

from __future__ import annotations

from typing import Any

import pytest

from qwex.backend import Backend, BackendUnavailable, Plan
from qwex.spec import JobSpec
from qwex.testing.backend.fixtures import BackendFixtures
from qwex.testing.jobs import script

__all__ = ["UnreachableScenarios"]


@pytest.mark.anyio
class UnreachableScenarios(BackendFixtures):
    """``BackendUnavailable`` is transient: the controller keeps the job and tries again."""

    async def test_7a_submit(self, unreachable: Backend[Any], spec_fields: dict[str, Any]) -> None:
        """Submitting to a place that cannot be reached raises BackendUnavailable."""
        spec = script("print(1)")
        given = {name: getattr(spec, name) for name in spec.model_fields_set}
        plan = Plan("kit-unreachable", JobSpec(**{**spec_fields, **given}), "kit")

        async def reach() -> None:
            await unreachable.start()
            await unreachable.submit(unreachable.render(plan))

        try:
            with pytest.raises(BackendUnavailable):
                await reach()
        finally:
            await unreachable.close()
