"""The backend over a server that answers as it is told, before and after it has said what is there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from objects_as_the_api_has_them import job
from qwex_kueue import apiserver
from qwex_kueue import backend as backend_module
from qwex_kueue import writer as writer_module
from qwex_kueue.backend import KueueBackend

from qwex.backend import BackendContext

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


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


async def test_a_job_is_given_up_once_however_often_it_is_looked_at(server, tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "_AT_LAST", (0.0,))
    server.answers.set()
    async with started(tmp_path) as backend:
        backend._runs.job_changed(None, job(controller=backend._controller))
        run = backend._runs.get("train-abc")
        backend._give_up(run)
        backend._give_up(run)
        assert len(backend._given_up) == 1
        await asyncio.gather(*backend._tasks)
        assert server.deleted == ["/jobs/train-abc"]
        backend._give_up(run)
        await asyncio.gather(*backend._tasks)
        assert len(server.deleted) == 2
