"""The small kits: a tracker and a store that keep their contracts pass, broken ones are caught by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from qwex.testing import TrackerContract
from qwex.tracker import Tracked, TrackedJob, Tracker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.events import Event

pytest_plugins = ["pytester"]


class FolderTracker(Tracker):
    """One folder a job, one line an event."""

    name = "folder"

    async def begin(self, job: TrackedJob, *, again: bool) -> Tracked:
        run = self.context.folder / job.run_id
        run.mkdir(exist_ok=True)
        return Tracked(run.name, {"TRACKED_IN": str(run)}, {"folder": run.as_uri()})

    async def record(self, job: TrackedJob, events: Sequence[Event]) -> None:
        with (self.context.folder / job.reference / "events.jsonl").open("a") as file:
            file.writelines(json.dumps(event.as_dict()) + "\n" for event in events)

    async def end(self, job: TrackedJob) -> None:
        (self.context.folder / job.reference / "end").write_text(job.record.state)


class TestFolderTracker(TrackerContract):
    tracker_class = FolderTracker


BROKEN_TRACKERS = {
    "t1": "async def begin(self, job, *, again): return Tracked(links={'run': 'javascript:alert(1)'})",
    "t2": "async def begin(self, job, *, again): return Tracked(str(next(COUNT)))",
    "t3": "async def record(self, job, events): self.told = 1 / (job.attempt > 1 or 1 - getattr(self, 'told', 0))",
    "t4": "async def end(self, job): self.over = 1 / (1 - getattr(self, 'over', 0))",
    "t5": "async def begin(self, job, *, again): return Tracked({1: 'one', 2: 'two'}[job.attempt])",
    "t6": "startup = FAILS",
}
TRACKER_SUITE = """
    import itertools, pathlib, tempfile
    from qwex.testing import TrackerContract
    from qwex.tracker import Tracked, Tracker

    COUNT = itertools.count()
    FAILS = pathlib.Path(tempfile.mkdtemp()) / "startup.py"
    FAILS.write_text("print('something')")

    class Good(Tracker):
        name = "good"
        async def begin(self, job, *, again): return Tracked()
        async def record(self, job, events): pass
        async def end(self, job): pass

    class Broken(Good):
        {broken}

    class TestBroken(TrackerContract):
        tracker_class = Broken
"""

BROKEN_STORES = {
    "a1": "async def stat(self, key): found = await super().stat(key); return found and Stored(key, 0, 1.0)",
    "a2": "async def get(self, key, start=0): yield self.there(key)[start:] if key in self.shelf else b''",
    "a3": "taken = False",
    "a4": "keeps_pieces = True",
    "a5": "taken_late = True",
    "a6": "def __init__(self, shelf): super().__init__({})",
    "a7": "async def get(self, key, start=0): yield self.there(key)",
    "a8": "async def url(self, key, seconds, method='GET'): return 'file:///nowhere'",
    "a9": "async def url(self, key, seconds, method='GET'): return 'http://127.0.0.1:1/' if method == 'PUT' else None",
    "b1": "def below(self, prefix, key): return key.startswith(prefix)",
    "b2": "async def delete(self, keys): [self.shelf.pop(key) for key in keys]",
    "b3": "async def put_files(self, files, *, replace=False): return set(files)",
    "b4": "async def put_files(self, files, *, replace=False): await super().put_files(files); return set(files)",
    "b5": "async def get_files(self, files): [write(path, b'') for path in files.values()]",
    "b6": "async def start(self): pass",
}
STORE_SUITE = """
    import asyncio
    import pytest
    from qwex.artifacts import ArtifactStore, Stored
    from qwex.errors import ConfigError, NotFound
    from qwex.testing import ArtifactStoreContract

    def write(path, data):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    class Good(ArtifactStore):
        name = "good"
        taken = True
        taken_late = keeps_pieces = False

        def __init__(self, shelf):
            self.shelf = shelf

        async def start(self):
            if self.shelf is None:
                raise ConfigError("there is no shelf")

        def there(self, key):
            if key not in self.shelf:
                raise NotFound(key)
            return self.shelf[key]

        def below(self, prefix, key):
            return key.startswith(prefix + "/") or not prefix

        async def stat(self, key):
            return Stored(key, len(self.shelf[key]), 1.0) if key in self.shelf else None

        async def put(self, key, chunks, *, replace=False):
            data = b""
            free = key not in self.shelf
            try:
                async for chunk in chunks:
                    data += chunk
            finally:
                if self.keeps_pieces:
                    self.shelf[key] = data
            if self.taken_late:
                await asyncio.sleep(0)
            elif self.taken:
                free = key not in self.shelf
            if not free and self.taken and not replace:
                return False
            self.shelf[key] = data
            return True

        async def get(self, key, start=0):
            yield self.there(key)[start:]

        async def list(self, prefix=""):
            for key in sorted(self.shelf):
                if self.below(prefix, key):
                    yield Stored(key, len(self.shelf[key]), 1.0)

        async def delete(self, keys):
            for key in keys:
                self.shelf.pop(key, None)

        async def url(self, key, seconds, method="GET"):
            return None

    class Broken(Good):
        {broken}

    class TestBroken(ArtifactStoreContract):
        @pytest.fixture
        def store_factory(self):
            shelf = {{}}
            return lambda: Broken(shelf)

        @pytest.fixture
        def unusable(self):
            return Broken(None)
"""


def failed_scenarios(pytester: pytest.Pytester, suite: str) -> set[str]:
    pytester.makepyfile(suite)
    failed = pytester.inline_run("-p", "no:timeout", "-p", "no:cacheprovider").listoutcomes()[2]
    return {report.nodeid.rpartition("::")[2].split("_")[1] for report in failed}


@pytest.mark.parametrize("scenario", BROKEN_TRACKERS)
def test_broken_tracker_is_caught(pytester: pytest.Pytester, scenario: str) -> None:
    assert failed_scenarios(pytester, TRACKER_SUITE.format(broken=BROKEN_TRACKERS[scenario])) == {scenario}


@pytest.mark.parametrize("scenario", BROKEN_STORES)
def test_broken_store_is_caught(pytester: pytest.Pytester, scenario: str) -> None:
    assert scenario in failed_scenarios(pytester, STORE_SUITE.format(broken=BROKEN_STORES[scenario]))


def test_good_ones_are_not_blamed(pytester: pytest.Pytester) -> None:
    assert failed_scenarios(pytester, STORE_SUITE.format(broken="pass")) == set()
    assert failed_scenarios(pytester, TRACKER_SUITE.format(broken="pass")) == set()
