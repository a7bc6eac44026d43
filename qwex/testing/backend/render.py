"""1 · Render: what would be sent, without sending it."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

import pytest

from qwex.backend import BackendContext, InvalidSpec
from qwex.testing.backend.fixtures import REFUSED_WITHOUT, BackendFixtures
from qwex.testing.jobs import cell, script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from qwex.testing.driver import Driver

__all__ = ["RenderScenarios"]


@pytest.mark.anyio
class RenderScenarios(BackendFixtures):
    """``render`` is pure, and refuses what can never run."""

    async def test_1a_same_answer(self, driver: Driver, driver_factory: Callable[[], Driver]) -> None:
        """The same plan gives the same request, every time and from every instance."""
        plan = driver.plan(script("print(1)"))
        first, again = driver.backend.render(plan), driver.backend.render(plan)
        assert first == again == driver_factory().backend.render(plan)

    async def test_1b_run_id(self, driver: Driver) -> None:
        """The request carries the run id, so that a job found in the place can be traced back."""
        plan = driver.plan(script("print(1)"))
        assert plan.run_id in repr(driver.backend.render(plan))

    async def test_1c_no_secrets(self, driver: Driver, tmp_path: Path) -> None:
        """The client's environment may be named in the request by its path; no value of it is ever in there."""
        secret = secrets.token_hex()
        environment = tmp_path / "environment.json"
        environment.write_text(json.dumps({"KIT_SECRET": secret}))
        request = driver.backend.render(driver.plan(script("print(1)"), environment=environment))
        assert secret not in repr(request)

    async def test_1d_leaves_nothing(self, driver: Driver, context: BackendContext) -> None:
        """Rendering writes nothing and starts nothing."""
        plan = driver.plan(script("print(1)"))
        before = sorted(context.folder.rglob("*"))
        driver.backend.render(plan)
        assert sorted(context.folder.rglob("*")) == before
        assert await driver.status(plan.run_id) is None

    async def test_1e_unknown_queue(self, driver: Driver) -> None:
        """A queue that does not exist is refused by its name, rendered or at the latest submitted."""
        with pytest.raises(InvalidSpec, match="no-such-queue"):
            await driver.submit(driver.plan(script("print(1)", queue="no-such-queue")))

    async def test_1f_too_much(self, driver: Driver) -> None:
        """More than the place can ever have is refused at once, not left to wait for ever."""
        with pytest.raises(InvalidSpec) as caught:
            await driver.submit(driver.plan(script("print(1)", resources=self.impossible)))
        assert any(field.startswith("resources") for field, _ in caught.value.problems), caught.value.problems

    async def test_1g_nothing_ignored(self, driver: Driver) -> None:
        """What the backend has no capability for (queues, gpu, timeout, values) is refused, never ignored."""
        for capability in REFUSED_WITHOUT.keys() - self.backend_class.capabilities:
            with pytest.raises(InvalidSpec):
                driver.backend.render(driver.plan(cell("answer = 42", **REFUSED_WITHOUT[capability])))

    async def test_1h_unknown_option(self, driver: Driver) -> None:
        """An option that the backend does not have is refused by its name."""
        with pytest.raises(InvalidSpec, match="no_such_option"):
            driver.backend.render(driver.plan(script("print(1)", backend_options={"no_such_option": "1"})))
