"""A service in this process, or a daemon of its own, over the scripted backend."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from asked import ME, spec
from daemons import Daemon
from frames import parse_frames
from scripted import Script

from qwex import config
from qwex.controller.backends import Backends
from qwex.controller.origin import Origin
from qwex.controller.registry import Registry
from qwex.controller.service import Service
from qwex.controller.streams import Wanted
from qwex.controller.submission import Entry
from qwex.plugins import load

HERE = Path(__file__).parent


@pytest.fixture
def plugin(home, monkeypatch):
    """The scripted backend as an installed plugin, for this process and its children."""
    folder = home.parent / "site"
    info = folder / "qwex_scripted-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: qwex-scripted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[qwex]\nscripted = scripted\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(HERE)]))
    monkeypatch.setenv("QWEX_PLUGINS", "scripted")
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "scripted")


class Stage:
    """A running service, and what a test asks of it."""

    def __init__(self, service, home):
        self.service = service
        self.home = home

    def script(self, run_id):
        return Script(self.home / os.environ["QWEX_DEFAULT_BACKEND"], run_id)

    async def submit(self, run_id=None, *args, caller=ME, environment=None, **more):
        done = await self.service.submit([Entry(spec(*args, **more), run_id)], caller, Origin(environment))
        return done[0].record

    async def until(self, run_id, *states, reason=None):
        """The job's record once it is in one of the states, for that reason, told by the stream of changes."""
        changes = self.service.changes(None, frozenset({"job"}), ME)
        await anext(changes)

        async def wait():
            while True:
                record = await self.service.get(run_id)
                if record.state.value in states and reason in (None, record.reason):
                    return record
                await anext(changes)

        try:
            return await asyncio.wait_for(wait(), 30)
        finally:
            await changes.aclose()

    async def run(self, run_id, *printed, **end):
        """The job runs from start to end, and its run is seen."""
        self.script(run_id).say("RUNNING")
        await self.until(run_id, "RUNNING")
        self.script(run_id).finish(*printed, **end)

    async def handed_over(self, run_id, attempt):
        """Return once the backend has that attempt."""
        for _ in range(2000):
            if (status := self.script(run_id).status()) and status.attempt >= attempt:
                return
            await asyncio.sleep(0.005)
        raise AssertionError(f"{run_id} did not reach its backend")

    async def events(self, run_id, **wanted):
        """The frames of the job's story, parsed."""
        frames = []
        async for chunk in await self.service.events(run_id, Wanted(**wanted), ME):
            frames += parse_frames(chunk)
        return frames

    async def text(self, run_id, **wanted):
        chunks, _ = await self.service.logs(run_id, Wanted(**{"follow": False, **wanted}), ME)
        return b"".join([chunk async for chunk in chunks]).decode()


@pytest.fixture
def stage(home, plugin):
    """Makes a running service: ``async with stage() as it``; ``hooks`` is a module with hooks of the test's own."""

    @asynccontextmanager
    async def make(trackers=(), hooks=None, **settings):
        home.mkdir(parents=True, exist_ok=True)
        read = config.load(home=str(home), **settings)
        plugins = load(read.plugins)
        for tracker in trackers:
            plugins.trackers.add(tracker, "tests")
        if hooks is not None:
            plugins.manager.register(hooks)
        backends = Backends(plugins, read, Registry())
        await backends.get(None)
        service = Service(read, backends)
        service.start()
        try:
            yield Stage(service, home)
        finally:
            service.close_streams()
            await service.close()

    return make


@pytest.fixture
def daemon(home, plugin):
    """A running daemon over the scripted backend."""
    home.mkdir(parents=True)
    one = Daemon(home)
    assert one.start() == "ready"
    yield one
    if one.process.poll() is None:
        one.kill()
