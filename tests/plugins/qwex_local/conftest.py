"""A backend on a folder of its own, and a watcher that lets a test wait for what it asserts."""

from __future__ import annotations

import asyncio
import contextlib
import json

import anyio
import pytest
from qwex_local.backend import LocalBackend

from qwex.backend import BackendContext, Plan, Position
from qwex.spec import JobSpec, Source, mint_run_id

#: Seconds after which a condition that never comes fails the test; longer than the default grace of a job.
PATIENCE = 60


class Watched:
    """A started backend, and every status it has pushed."""

    def __init__(self, folder, **settings):
        self.backend = LocalBackend(BackendContext(folder, {"cpu": 2, "linger": 5, **settings}))
        self.seen = {}
        self._changed = asyncio.Condition()

    @staticmethod
    def plan(text="pass", *, kind="script", run_id=None, attempt=1, environment=None, **spec):
        """One attempt of a job with that source."""
        source = Source(kind=kind, text=text, name="job.py" if kind == "script" else "")
        return Plan(run_id or mint_run_id("t"), JobSpec(source=source, **spec), "me", attempt, environment)

    @staticmethod
    def printed(records):
        return "".join(record["text"] for record in records if record["type"] == "stream")

    async def start(self):
        changes = self.backend.watch()
        self._task = asyncio.create_task(self._collect(changes))
        await self.backend.start()
        return self

    async def _collect(self, changes):
        async for run_id, status in changes:
            async with self._changed:
                self.seen.setdefault(run_id, []).append(status)
                self._changed.notify_all()

    async def submit(self, text="pass", **more):
        return await self.backend.submit(self.backend.render(self.plan(text, **more)))

    async def until(self, run_id, condition):
        """The first status of the job that meets the condition, however long ago."""
        if isinstance(condition, str):
            wanted = condition
            condition = lambda status: status.state == wanted  # noqa: E731

        def found():
            return next((status for status in self.seen.get(run_id, ()) if condition(status)), None)

        with anyio.fail_after(PATIENCE):
            async with self._changed:
                await self._changed.wait_for(found)
        return found()

    async def ended(self, run_id):
        return await self.until(run_id, lambda status: status.state.terminal)

    async def run(self, text="pass", **more):
        """Submit, wait for the end; the status and the records."""
        run_id = await self.submit(text, **more)
        status = await self.ended(run_id)
        return status, await self.records(run_id)

    async def records(self, run_id, after=None):
        with anyio.fail_after(PATIENCE):
            lines = b"".join([chunk async for chunk in self.backend.output(run_id, after or Position())])
        return [json.loads(line) for line in lines.splitlines()]

    async def records_so_far(self, run_id):
        """What a running job has written by now: the first chunk of its output."""
        output = self.backend.output(run_id, Position())
        with anyio.fail_after(PATIENCE):
            async with contextlib.aclosing(output):
                return [json.loads(line) for line in (await anext(output)).splitlines()]

    async def until_printed(self, run_id, text):
        """Until the job has written ``text``."""
        output = self.backend.output(run_id, Position())
        with anyio.fail_after(PATIENCE):
            async with contextlib.aclosing(output):
                said = ""
                async for chunk in output:
                    said += self.printed(json.loads(line) for line in chunk.splitlines())
                    if text in said:
                        return
        raise AssertionError(f"{run_id} ended without {text!r}")

    async def close(self):
        await self.backend.close()
        await self._task


@pytest.fixture
def folder(home):
    """The backend's own folder; what is left running there ends with the test."""
    return home / "local"


@pytest.fixture
async def local(folder):
    """Makes started backends over ``folder``; what they still run is cancelled at the end."""
    made = []

    async def make(**settings):
        made.append(await Watched(folder, **settings).start())
        return made[-1]

    yield make
    for watched in made:
        live = watched.backend._dispatcher
        for run_id in list(live.jobs) if live else ():
            await watched.backend.cancel(run_id)
            await watched.ended(run_id)
        await watched.close()
