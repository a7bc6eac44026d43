"""6 · Resources, queue, priority, values, timeout, environment: what the spec asks for reaches the job."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from qwex.backend import Capability, JobState, Why
from qwex.errors import NotFound
from qwex.testing.backend.fixtures import BackendFixtures
from qwex.testing.driver import text
from qwex.testing.jobs import cell, script, waiting

if TYPE_CHECKING:
    from pathlib import Path

    from qwex.testing.driver import Driver

__all__ = ["CapabilityScenarios"]

REPORTS = (
    "import os, sys; print(sys.argv[1:], os.environ['KIT'], os.environ['QWEX_RUN_ID'], os.environ['QWEX_ATTEMPT'])"
)
LOOKS = "import os; print(os.environ['KIT_TOKEN'], os.path.realpath(os.getcwd()))"
#: The attempt that is to be preempted lasts; the next is done at once.
STARTS_AGAIN = """
    import os, time

    print("ready", flush=True)
    if os.environ["QWEX_ATTEMPT"] == "1":
        time.sleep(SECONDS)
"""
GPUS = "import os; print(os.environ.get('CUDA_VISIBLE_DEVICES') or os.environ.get('NVIDIA_VISIBLE_DEVICES'))"


@pytest.mark.anyio
class CapabilityScenarios(BackendFixtures):
    """What a backend declares it does; a scenario whose capability is missing is skipped and names it."""

    async def test_6a_arguments(self, driver: Driver) -> None:
        """Arguments and variables reach the job, and it knows its run id and attempt."""
        job = script(REPORTS, args=["--lr", "0.1", "\u6f22 'quoted'"], env={"KIT": "a b\n\u00e9"})
        native_id = await driver.submit(plan := driver.plan(job))
        await driver.ended(native_id)
        shown = f"['--lr', '0.1', \"\u6f22 'quoted'\"] a b\n\u00e9 {plan.run_id} 1\n"
        assert text(await driver.records(native_id)) == shown

    async def test_6b_queues(self, driver: Driver) -> None:
        """``queues()`` lists each queue once, one of them the default, and a job goes to the one it names."""
        self.needs(Capability.QUEUES)
        queues = await driver.backend.queues()
        names = [queue.name for queue in queues]
        assert names
        assert len(names) == len(set(names))
        assert [queue.default for queue in queues].count(True) == 1
        status, _ = await driver.run(script("print(1)", queue=names[-1]))
        assert status.state is JobState.SUCCEEDED

    async def test_6c_why(self, driver: Driver, filling: dict[str, Any]) -> None:
        """A waiting job's ``explain()`` has a sentence, a reason and its position, counted from 1."""
        self.needs(Capability.QUEUES, Capability.EXPLAIN)
        await self._fill(driver, filling)
        waits = [await driver.submit(script("print(1)", **filling)) for _ in range(2)]
        for native_id in waits:
            await driver.until(native_id, JobState.QUEUED)
            why = await driver.backend.explain(native_id)
            assert isinstance(why, Why)
            assert why.summary
            assert why.reason
        # Which of two that came within one second is first may be the place's own to say, once it has seen both.
        answers = [await driver.backend.explain(native_id) for native_id in waits]
        assert {why.position for why in answers if why} == {1, 2}

    async def test_6d_preflight(self, driver: Driver) -> None:
        """``preflight()`` says what would happen, or nothing, and starts nothing."""
        plan = driver.plan(script("print(1)"))
        why = await driver.backend.preflight(plan)
        assert why is None or why.summary
        assert await driver.status(plan.run_id) is None

    async def test_6e_priority(self, driver: Driver, filling: dict[str, Any]) -> None:
        """Of two jobs that wait, the one of higher priority runs first."""
        self.needs(Capability.QUEUES, Capability.PRIORITY)
        blocker = await self._fill(driver, {**filling, "priority": 10})
        low = await driver.submit(script("print(1)", **filling))
        high = await driver.submit(script("print(1)", priority=5, **filling))
        await driver.until(low, JobState.QUEUED)
        await driver.until(high, JobState.QUEUED)
        await driver.backend.cancel(blocker)
        for job in (high, low):
            await driver.ended(job)
        assert (await driver.records(high))[0].ts < (await driver.records(low))[0].ts

    async def test_6f_preemption(self, driver: Driver, filling: dict[str, Any]) -> None:
        """A job that must make way goes back to QUEUED, reason Preempted, and runs again as attempt 2."""
        self.needs(Capability.QUEUES, Capability.PREEMPTION)
        low = await driver.submit(script(STARTS_AGAIN.replace("SECONDS", str(self.limit)), **filling))
        await driver.until_printed(low, "ready\n")
        # A place may keep what an attempt said no longer than the attempt, so somebody reads along.
        reading = asyncio.create_task(driver.records(low))
        high = await driver.submit(script("print(1)", priority=5, **filling))
        back = await driver.until_moved(low, lambda status: status.reason == "Preempted", "Preempted")
        assert back.state is JobState.QUEUED
        assert (await driver.ended(high)).state is JobState.SUCCEEDED
        ended = await driver.ended(low)
        assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 2)
        assert text(await reading) == "ready\nready\n"

    async def test_6g_gpu(self, driver: Driver) -> None:
        """A job that asks for a GPU is told which one is its own."""
        self.needs(Capability.GPU)
        status, records = await driver.run(script(GPUS, resources={"gpu": "1"}))
        assert status.state is JobState.SUCCEEDED
        assert text(records).strip() not in ("", "None")

    async def test_6h_timeout(self, driver: Driver) -> None:
        """A job that runs longer than its timeout is FAILED, reason TimedOut, after its SIGTERM and grace."""
        self.needs(Capability.TIMEOUT)
        native_id = await driver.submit(waiting(self.limit, timeout=0.5, grace=1))
        status = await driver.ended(native_id)
        assert (status.state, status.reason) == (JobState.FAILED, "TimedOut")

    async def test_6i_values(self, driver: Driver) -> None:
        """An output value that was announced can be read, whole and as its digest says; another is NotFound."""
        self.needs(Capability.VALUES)
        native_id = await driver.submit(cell("answer = list(range(1000))", outputs=("answer",)))
        await driver.ended(native_id)
        [value] = [record for record in await driver.records(native_id) if record.type == "value"]
        data = b"".join([chunk async for chunk in driver.backend.value(native_id, 1, "answer")])
        assert (value["name"], value["size"]) == ("answer", len(data))
        assert value["digest"] == "sha256:" + hashlib.sha256(data).hexdigest()
        assert pickle.loads(data) == list(range(1000))  # noqa: S301 - the kit's own job made it
        for wrong in ("other", "../job.json"):
            with pytest.raises(NotFound):
                _ = [chunk async for chunk in driver.backend.value(native_id, 1, wrong)]

    async def test_6j_environment(self, driver: Driver, tmp_path: Path) -> None:
        """A job sees the submitting client's environment and works in its folder."""
        self.needs(Capability.INHERITS_ENVIRONMENT)
        environment = tmp_path / "environment.json"
        environment.write_text(json.dumps({**os.environ, "KIT_TOKEN": "from the client"}))
        environment.chmod(0o600)
        plan = driver.plan(script(LOOKS, cwd=str(tmp_path)), environment=environment)
        _, records = await driver.run(plan)
        assert text(records) == f"from the client {tmp_path.resolve()}\n"  # noqa: ASYNC240

    async def test_6k_gpus(self, driver: Driver) -> None:
        """``gpus()`` counts no more free than there are, and what it says asks for one does."""
        self.needs(Capability.GPU)
        report = await driver.backend.gpus()
        for kind in report.kinds:
            assert kind.backend == driver.backend.name
            assert kind.free is None or kind.total is None or 0 <= kind.free <= kind.total
            assert not kind.nodes or sum(node.total for node in kind.nodes) == kind.total
            if kind.type:
                driver.backend.render(driver.plan(script("print(1)", resources={"gpu": kind.type})))
        for quota in report.quotas:
            assert (quota.left is None) == (quota.nominal is None)

    async def _fill(self, driver: Driver, filling: dict[str, Any]) -> str:
        native_id = await driver.submit(waiting(self.limit, **filling))
        await driver.until(native_id, JobState.RUNNING)
        return native_id
