"""2 · Outcomes: how a job ends is told as it was."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from qwex.backend import InvalidSpec, JobState
from qwex.testing.backend.fixtures import BackendFixtures
from qwex.testing.driver import position, text
from qwex.testing.jobs import cell, command, script

if TYPE_CHECKING:
    from qwex.spec import JobSpec
    from qwex.testing.driver import Driver

__all__ = ["OutcomeScenarios"]

RAISES = """
    def divide(a, b):
        return a / b

    divide(1, 0)
"""
KINDS = {
    "cell": cell("print('hello')"),
    "command": command("echo", "hello"),
    "script": script("print('hello')"),
}


@pytest.mark.anyio
class OutcomeScenarios(BackendFixtures):
    """``submit`` returns or raises, never half; success, exit codes and exceptions are kept."""

    @pytest.mark.parametrize("job", KINDS.values(), ids=KINDS.keys())
    async def test_2a_success(self, driver: Driver, job: JobSpec) -> None:
        """A cell, a command and a script that end well are SUCCEEDED with exit code 0."""
        status, records = await driver.run(job)
        assert (status.state, status.exit_code, status.reason) == (JobState.SUCCEEDED, 0, "")
        assert text(records) == "hello\n"

    async def test_2b_exit_code(self, driver: Driver) -> None:
        """A job that ends with code 7 is FAILED, reason ExitCode, and the 7 is kept."""
        status, records = await driver.run(script("raise SystemExit(7)"))
        assert (status.state, status.exit_code, status.reason) == (JobState.FAILED, 7, "ExitCode")
        assert records[-1]["code"] == 7

    async def test_2c_exception(self, driver: Driver) -> None:
        """An exception is FAILED, reason Exception; its type, text and frames are in an ``error`` record."""
        status, records = await driver.run(script(RAISES))
        assert (status.state, status.reason) == (JobState.FAILED, "Exception")
        [error] = [record for record in records if record.type == "error"]
        assert (error["ename"], error["evalue"]) == ("ZeroDivisionError", "division by zero")
        assert [frame["name"] for frame in error["frames"]] == ["<module>", "divide"]
        assert [frame["lineno"] for frame in error["frames"]] == [5, 3]

    async def test_2d_one_job(self, driver: Driver) -> None:
        """The same run id and attempt submitted again, at once or later, is one job that runs once."""
        plan = driver.plan(script("print('ran')"))
        ids = {*await asyncio.gather(*(driver.submit(plan) for _ in range(3)))}
        await driver.ended(next(iter(ids)))
        ids.add(await driver.submit(plan))
        assert len(ids) == 1, f"submit() gave different ids for one job: {ids}"
        records = await driver.records(ids.pop())
        assert [record.type for record in records].count("start") == 1
        assert text(records) == "ran\n"

    async def test_2e_refused(self, driver: Driver) -> None:
        """A refused job leaves nothing: it is unknown, and its run id is free for a mended one."""
        with pytest.raises(InvalidSpec):
            await driver.submit(refused := driver.plan(script("print(1)", resources=self.impossible)))
        assert await driver.status(refused.run_id) is None
        status, _ = await driver.run(driver.plan(script("print(1)"), run_id=refused.run_id))
        assert status.state is JobState.SUCCEEDED

    async def test_2f_attempts(self, driver: Driver) -> None:
        """Another attempt of a job runs anew; its records come after those of the attempt before."""
        job = script("import os; print(os.environ['QWEX_ATTEMPT']); raise SystemExit(1)")
        native_id = await driver.submit(first := driver.plan(job))
        await driver.ended(native_id)
        # As a controller does: where output goes with its place, it is read before that.
        records = await driver.records(native_id)
        await driver.submit(driver.plan(job, run_id=first.run_id, attempt=2))
        await driver.until_moved(native_id, lambda s: s.state.terminal and s.attempt == 2, "the end of attempt 2")
        records += await driver.records(native_id, position(records[-1]))
        assert text(records) == "1\n2\n"
        assert [record.attempt for record in records if record.type == "exit"] == [1, 2]

    async def test_2g_signal(self, driver: Driver) -> None:
        """A job that dies by a signal is FAILED, reason Signal, with 128 + its number as exit code."""
        status, _ = await driver.run(script("import os; os.kill(os.getpid(), 9)"))
        assert (status.state, status.reason, status.exit_code) == (JobState.FAILED, "Signal", 137)
