"""What is written for machines, to a server that has things already."""

from __future__ import annotations

from pathlib import Path

import pytest
from qwex_kueue.errors import ApiError, Missing
from qwex_kueue.machines import writer as writer_module
from qwex_kueue.machines.manifests import render
from qwex_kueue.machines.writer import MachineWriter
from qwex_kueue.settings import KueueSettings

from qwex.errors import BackendUnavailable
from qwex.machine import MachinePlan
from qwex.machinespec import MachineSpec

pytestmark = pytest.mark.anyio
HOME = "/core/persistentvolumeclaims/qwex-train-abcdef-home"


class Server:
    """Has a home that is being deleted, until it was looked at so many times."""

    namespace, core = "team", "/core"

    def __init__(self, home, looks):
        self.home = home
        self.looks = looks
        self.made = []

    async def create(self, path, body, **query):
        if path == HOME.rpartition("/")[0] and self.looks:
            raise ApiError(409, "AlreadyExists", "it is there")
        self.made.append(body["kind"])

    async def get(self, path):
        assert path == HOME
        self.looks -= 1
        if not self.looks:
            raise Missing(404, "NotFound", "it has gone")
        return self.home


@pytest.fixture
def request_(tmp_path):
    (tmp_path / "key").write_text("key")
    spec = MachineSpec(name="train", keys=["ssh-ed25519 AAAA"])
    plan = MachinePlan("train-abcdef", spec, "ada", Path(tmp_path / "key"), "ssh-ed25519 AAAA")
    return render(plan, KueueSettings(machine_image="machine"), "me")


@pytest.fixture
def purged(monkeypatch, request_):
    monkeypatch.setattr(writer_module, "_ENDING", (0.0, 0.0))
    metadata = {**request_.home["metadata"], "namespace": "team", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": {**metadata, "finalizers": ["example.org/keep"]}}


async def test_a_home_that_was_purged_is_not_given_again(request_, purged):
    server = Server(purged, 2)
    await MachineWriter(server, "me").prepare(request_)
    assert server.made == ["PersistentVolumeClaim", "Secret"]


async def test_one_that_does_not_go_is_named_with_what_holds_it(request_, purged):
    server = Server(purged, 10)
    with pytest.raises(BackendUnavailable, match=r"held by the finalizer example\.org/keep"):
        await MachineWriter(server, "me").prepare(request_)
    assert server.made == []


async def test_one_that_stays_is_had_again(request_):
    server = Server({"metadata": request_.home["metadata"]}, 10)
    await MachineWriter(server, "me").prepare(request_)
    assert server.made == ["Secret"]
