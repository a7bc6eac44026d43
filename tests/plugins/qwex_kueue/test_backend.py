"""The backend over a server that answers as it is told, before and after it has said what is there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from objects_as_the_api_has_them import RUNNING, job, pod
from qwex_kueue import apiserver
from qwex_kueue import backend as backend_module
from qwex_kueue import writer as writer_module
from qwex_kueue.backend import KueueBackend
from qwex_kueue.inquiries import Inquiries
from qwex_kueue.journal import Journal
from qwex_kueue.judging import Puzzle
from qwex_kueue.output import Output

from qwex.backend import BackendContext
from qwex.errors import BackendUnavailable
from qwex.state import Position

pytestmark = pytest.mark.anyio


class Server:
    """Lists what it is told to have, once ``answers`` is set; says nothing after that. Deletes are noted."""

    namespace, address = "team", "https://cluster"
    core, jobs = "/core", "/jobs"

    def __init__(self):
        self.there = {}
        self.deleted = []
        self.answers = asyncio.Event()
        self.refusal = None

    async def get(self, path, **query):
        await self.answers.wait()
        return {"items": self.there.get(path, []), "metadata": {"resourceVersion": "5"}}

    async def lines(self, path, query):
        await asyncio.Event().wait()
        yield {}

    async def delete(self, path, body=None):
        self.deleted.append(path)
        if self.refusal:
            raise self.refusal

    async def close(self):
        pass


@pytest.fixture
def server(monkeypatch):
    made = Server()

    async def connect(settings):
        return made

    monkeypatch.setattr(apiserver.ApiServer, "connect", connect)
    monkeypatch.setattr(backend_module, "_FIRST_LOOK", 0.01)
    return made


@asynccontextmanager
async def started(folder):
    """The backend just after its start."""
    backend = KueueBackend(BackendContext(folder, {"image": "python:3.12"}))
    await backend.start()
    try:
        yield backend
    finally:
        await backend.close()


def raw_job(controller):
    labels = {"qwex.dev/run-id": "train-abc", "qwex.dev/controller": controller, "qwex.dev/attempt": "1"}
    return {"metadata": {"name": "train-abc", "uid": "job-1", "resourceVersion": "1", "labels": labels}}


RECORDS = b'{"type":"start","ts":1.0,"attempt":1,"seq":1}\n'


@pytest.fixture
def agents(monkeypatch):
    """What the agents of all pods would say, and what they are told."""
    heard = []

    async def records(self, run, attempt, seq):
        yield RECORDS

    async def acknowledge(self, run, last):
        heard.append((run.run_id, last))

    monkeypatch.setattr(Output, "records", records)
    monkeypatch.setattr(Output, "acknowledge", acknowledge)
    return heard


async def everything(stream):
    return [each async for each in stream]


ASKING = {
    "output": lambda backend: everything(backend.output("train-abc", Position())),
    "position": lambda backend: backend.position("train-abc"),
    "value": lambda backend: everything(backend.value("train-abc", 1, "x")),
    "explain": lambda backend: backend.explain("train-abc"),
    "acknowledge": lambda backend: backend.acknowledge("train-abc", Position(1, 1)),
    "cancel": lambda backend: backend.cancel("train-abc"),
}


@pytest.mark.parametrize("what", ASKING)
async def test_who_asks_before_it_is_known_what_there_is_is_not_told_that_there_is_nothing(server, tmp_path, what):
    async with started(tmp_path) as backend:
        with pytest.raises(BackendUnavailable, match="did not answer"):
            await ASKING[what](backend)


async def test_a_job_is_found_as_soon_as_the_cluster_has_answered(server, agents, tmp_path, monkeypatch):
    monkeypatch.setattr(backend_module, "_FIRST_NOTICE", 0.01)
    async with started(tmp_path) as backend:
        server.there["/jobs"] = [raw_job(backend._controller)]
        monkeypatch.setattr(backend_module, "_FIRST_LOOK", 10.0)
        asking = asyncio.gather(*(ASKING[what](backend) for what in ("output", "acknowledge", "explain")))
        server.answers.set()
        output, _, explained = await asking
        assert (output, agents) == ([RECORDS], [("train-abc", Position(1, 1))])
        assert "Kueue has not looked at it yet" in explained.summary
        await backend.cancel("train-abc")
        assert server.deleted == ["/jobs/train-abc"]


def freeing(backend):
    return [task for task in backend._tasks if task.get_coro().__name__ == "_free"]


async def test_a_job_is_given_up_once_however_often_it_is_looked_at(server, tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "_AT_LAST", (0.0,))
    server.answers.set()
    async with started(tmp_path) as backend:
        backend._runs.job_changed(None, job(controller=backend._controller))
        run = backend._runs.get("train-abc")
        backend._inquiries.give_up(run)
        backend._inquiries.give_up(run)
        assert len(freeing(backend)) == 1
        await asyncio.gather(*freeing(backend))
        assert server.deleted == ["/jobs/train-abc"]
        backend._inquiries.give_up(run)
        await asyncio.gather(*freeing(backend))
        assert len(server.deleted) == 2


def raw_pod(job="train-abc"):
    metadata = {"name": f"{job}-x", "uid": "pod-1", "resourceVersion": "1", "labels": {"qwex.dev/run-id": "train-abc"}}
    owner = {"uid": "job-1", "controller": True}
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-26T00:00:00Z"}
    return {
        "metadata": {**metadata, "ownerReferences": [owner]},
        "spec": {"nodeName": "node0", "containers": [{"name": "job"}]},
        "status": {"phase": "Pending", "conditions": [scheduled]},
    }


def failed_mount(secret):
    message = f'MountVolume.SetUp failed for volume "data" : secret "{secret}" not found'
    times = {"lastTimestamp": "2026-11-26T00:00:09Z"}
    return {"metadata": {"name": "x"}, "reason": "FailedMount", "type": "Warning", "message": message, **times}


@pytest.mark.parametrize(
    ("secret", "state"),
    [pytest.param("token", "FAILED", id="a site's"), pytest.param("train-abc", "ADMITTED", id="its own, which comes")],
)
async def test_a_pod_that_mounts_what_is_not_there_says_so_and_is_given_up(
    server, tmp_path, monkeypatch, secret, state
):
    monkeypatch.setattr(backend_module, "_FIRST_LOOK", 10.0)
    server.there = {"/core/pods": [raw_pod()], "/core/events": [failed_mount(secret)]}
    (tmp_path / "controller-id").write_text("me")
    server.there["/jobs"] = [raw_job("me")]
    server.answers.set()
    async with started(tmp_path) as backend:
        backend._journal.creates("train-abc", 1)
        backend._journal.created("train-abc")
        said = f'the volume data of its pod cannot be mounted: secret "{secret}" not found'
        assert (await backend.explain("train-abc")).summary == said
        run = backend._runs.get("train-abc")
        await backend._inquiries._find_trouble(run)
        status = (await backend.status(["train-abc"]))["train-abc"]
        assert status.state.value == state
        if state == "FAILED":
            assert (status.reason, status.message) == ("StartFailed", said)


async def test_a_pod_that_starts_while_its_events_are_read_is_not_given_up(server, tmp_path, monkeypatch):
    server.there = {"/core/pods": [raw_pod()], "/core/events": [failed_mount("token")]}
    (tmp_path / "controller-id").write_text("me")
    server.there["/jobs"] = [raw_job("me")]
    server.answers.set()
    monkeypatch.setattr(backend_module, "_FIRST_LOOK", 10.0)
    async with started(tmp_path) as backend:
        run = backend._runs.get("train-abc")
        server.answers.clear()
        asking = asyncio.create_task(backend._inquiries._find_trouble(run))
        await asyncio.sleep(0)
        run.take_pod(pod(state=RUNNING, job_uid="job-1"))
        server.answers.set()
        await asking
        assert run.refused is None


async def test_who_does_not_make_a_pod_and_who_does_not_see_a_job_is_asked(server, tmp_path, monkeypatch):
    """Each for what it may know."""
    asked = []

    async def ask(self, run, what):
        asked.append(what)

    monkeypatch.setattr(Inquiries, "_find_trouble", lambda self, run: ask(self, run, "events"))
    monkeypatch.setattr(Inquiries, "_find_out", lambda self, run: ask(self, run, "Kueue"))
    monkeypatch.setattr(Inquiries, "_verify", lambda self, run: ask(self, run, "its objects"))
    monkeypatch.setattr(Inquiries, "_look_for", lambda self, run: ask(self, run, "the artifact store"))
    server.answers.set()
    async with started(tmp_path) as backend:
        before = set(backend._tasks)
        for puzzle in Puzzle:
            backend._runs.puzzles(None, puzzle)
        await asyncio.gather(*(set(backend._tasks) - before))
    assert asked == ["Kueue", "events", "its objects", "the artifact store"]


async def test_jobs_that_are_in_the_cluster_are_not_forgotten(server, tmp_path, monkeypatch):
    forgotten = asyncio.Queue()
    monkeypatch.setattr(backend_module, "_FORGETS", (0.0, 3600.0))
    monkeypatch.setattr(Journal, "forget_old", lambda journal, present: forgotten.put_nowait(present))
    server.there["/jobs"] = [raw_job("me")]
    server.answers.set()
    async with started(tmp_path):
        assert await asyncio.wait_for(forgotten.get(), 10) == {"train-abc"}


async def test_a_job_is_forgotten_once_it_is_known_what_the_cluster_has_of_it(server, tmp_path, monkeypatch):
    async with started(tmp_path) as backend:
        server.there["/jobs"] = [raw_job(backend._controller)]
        with pytest.raises(BackendUnavailable):
            await backend.forget("train-abc")
        assert server.deleted == []
        monkeypatch.setattr(backend_module, "_FIRST_LOOK", 10.0)
        server.answers.set()
        await backend.forget("train-abc")
        assert server.deleted == ["/jobs/train-abc"]
