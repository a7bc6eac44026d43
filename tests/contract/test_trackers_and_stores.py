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
    "t4": "async def end(self, job): self.ended = 1 / (1 - getattr(self, 'ended', 0))",
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
    "a1": "async def exists(self, digest): return True",
    "a2": "async def url(self, digest): return self.path(digest).as_uri()",
    "a3": "def check(self, digest, data): pass",
    "a4": "broken_off = b''",
    "a6": "def __init__(self, folder): super().__init__(folder / str(next(COUNT)))",
    "a7": "async def url(self, digest): await super().url(digest); return 'file:///nowhere'",
    "a8": "def path(self, digest): return self.folder / digest.rpartition('/')[2]",
}
STORE_SUITE = """
    import hashlib, itertools, re
    import pytest
    from qwex.artifacts import ArtifactStore
    from qwex.errors import InvalidSpec, NotFound
    from qwex.testing import ArtifactStoreContract

    COUNT = itertools.count()

    class Good(ArtifactStore):
        name = "good"
        broken_off = None

        def __init__(self, folder):
            self.folder = folder
            folder.mkdir(exist_ok=True)

        def path(self, digest):
            if not re.fullmatch("sha256:[0-9a-f]{{64}}", digest):
                raise NotFound(digest)
            return self.folder / digest

        def check(self, digest, data):
            if digest != "sha256:" + hashlib.sha256(data).hexdigest():
                raise InvalidSpec("another digest")

        async def exists(self, digest):
            return self.path(digest).exists()

        async def put(self, digest, chunks):
            path, data = self.path(digest), b""
            try:
                async for chunk in chunks:
                    data += chunk
            except ConnectionResetError:
                if self.broken_off is not None:
                    path.write_bytes(self.broken_off)
                raise
            self.check(digest, data)
            path.write_bytes(data)

        async def get(self, digest):
            if not self.path(digest).exists():
                raise NotFound(digest)
            yield self.path(digest).read_bytes()

        async def url(self, digest):
            if not self.path(digest).exists():
                raise NotFound(digest)
            return self.path(digest).as_uri()

    class Broken(Good):
        {broken}

    class TestBroken(ArtifactStoreContract):
        @pytest.fixture
        def store_factory(self, tmp_path):
            return lambda: Broken(tmp_path / "store")
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
