"""The provider over a server that has what it is told to, and changes it when it is told to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from qwex_kueue import apiserver
from qwex_kueue.backend import KueueBackend
from qwex_kueue.errors import Missing
from qwex_kueue.machines import provider as provider_module
from qwex_kueue.machines.activity import RECENT
from qwex_kueue.machines.manifests import MachineRequest
from qwex_kueue.machines.objects import StatefulSet
from qwex_kueue.machines.provider import KueueMachines

from qwex.backend import BackendContext
from qwex.errors import BackendUnavailable
from qwex.machine import MachineContext, MachineState

pytestmark = pytest.mark.anyio
TRAIN, NAME = "train-abcdef", "qwex-train-abcdef"
SETS, PODS = "/apis/apps/v1/namespaces/team/statefulsets", "/core/pods"
WORKLOADS = "/apis/kueue.x-k8s.io/v1beta2/namespaces/team/workloads"


class Server:
    """Objects by path; ``put`` and ``remove`` are told to who watches. Patches and what was asked of logs are noted."""

    namespace, address = "team", "https://cluster"
    core, jobs = "/core", "/jobs"

    def __init__(self):
        self.there = {}
        self.watches = {}
        self.patched = asyncio.Queue()
        self.asked = {}
        self.log = b""

    def put(self, path, **found):
        self.there[f"{path}/{found['metadata']['name']}"] = found
        self._tell(path, "MODIFIED", found)

    def remove(self, path, name):
        self._tell(path, "DELETED", self.there.pop(f"{path}/{name}"))

    def _tell(self, path, type, found):
        for watch in self.watches.get(path, ()):
            watch.put_nowait({"type": type, "object": found})

    async def get(self, path, **query):
        if "limit" not in query:
            if path not in self.there:
                raise Missing(404, "NotFound", f"there is no {path}")
            return self.there[path]
        items = [found for key, found in self.there.items() if key.rpartition("/")[0] == path]
        return {"items": items, "metadata": {"resourceVersion": "5"}}

    async def lines(self, path, query):
        watch = asyncio.Queue()
        self.watches.setdefault(path, []).append(watch)
        while True:
            yield await watch.get()

    async def call(self, method, path, *, body=None, kind=""):
        assert method == "PATCH"
        self.patched.put_nowait((path, body))

    async def text(self, path, **query):
        self.asked = query
        yield self.log

    async def delete(self, path, body=None):
        pass

    async def close(self):
        pass


@pytest.fixture
def server(monkeypatch):
    made = Server()

    async def connect(settings):
        return made

    monkeypatch.setattr(apiserver.ApiServer, "connect", connect)
    return made


@asynccontextmanager
async def opened(folder):
    backend = KueueBackend(BackendContext(folder, {"image": "python:3.12"}))
    await backend.start()
    machines = KueueMachines(MachineContext(folder, {}, backend))
    await machines.open()
    try:
        await machines.status([])
        yield machines
    finally:
        await machines.close()
        await backend.close()


def metadata(name, uid, **more):
    labels = {"qwex.dev/machine": TRAIN}
    return {"name": name, "namespace": "team", "uid": uid, "resourceVersion": "6", "labels": labels, **more}


def stateful_set(replicas=1, present=1, grace=0):
    template = {"spec": {"terminationGracePeriodSeconds": grace}}
    spec = {"replicas": replicas, "template": template}
    return {"metadata": metadata(NAME, "set"), "spec": spec, "status": {"replicas": present}}


def pod(*conditions, node="gpu-3", finalizers=(), **more):
    return {
        "metadata": metadata(f"{NAME}-0", "pod", finalizers=[*finalizers], **more),
        "spec": {"nodeName": node},
        "status": {"conditions": list(conditions)},
    }


def workload(reserved="True", finalizers=()):
    owners = [{"kind": "StatefulSet", "name": NAME, "uid": "set"}]
    return {
        "metadata": metadata(f"statefulset-{NAME}", "load", ownerReferences=owners, finalizers=[*finalizers]),
        "spec": {"active": True},
        "status": {"conditions": [condition("QuotaReserved", reserved)]},
    }


def condition(type, status="True", **more):
    return {"type": type, "status": status, **more}


async def test_only_what_was_said_just_now_is_the_present(server, tmp_path):
    server.put(SETS, **stateful_set())
    server.put(PODS, **pod(condition("Ready")))
    async with opened(tmp_path) as machines:
        assert await machines.activity(TRAIN) is None
        assert server.asked["sinceSeconds"] == RECENT
        server.log = b"qwex-activity 30 20 \n"
        assert (await machines.activity(TRAIN)).active_at == 20.0


async def test_a_machine_has_stopped_once_others_can_have_its_quota(server, tmp_path):
    server.put(SETS, **stateful_set(0, present=0))
    server.put(WORKLOADS, **workload())
    async with opened(tmp_path) as machines:
        assert (await machines.status([TRAIN]))[TRAIN].state is MachineState.STOPPING
        told = machines.watch()
        following = asyncio.ensure_future(anext(told))
        await asyncio.sleep(0)
        server.put(WORKLOADS, **workload("False"))
        assert (await following)[1].state is MachineState.STOPPED


async def test_quota_that_it_was_given_after_its_stop_is_taken_back(server, tmp_path):
    server.put(SETS, **stateful_set(0, present=0))
    server.put(WORKLOADS, **workload("False"))
    async with opened(tmp_path):
        assert server.patched.empty()
        server.put(WORKLOADS, **workload())
        path, body = await server.patched.get()
        assert path == f"{SETS}/{NAME}"
        assert list(body) == ["metadata"]  # nothing is changed but that Kueue looks


async def test_a_machine_is_gone_once_its_pod_and_its_set_are_and_its_quota_is_free(server, tmp_path):
    server.put(SETS, **stateful_set())
    server.put(PODS, **pod())
    server.put(WORKLOADS, **workload())
    async with opened(tmp_path) as machines:
        deleting = asyncio.create_task(machines.delete(TRAIN, purge=False))
        for path, name in ((PODS, f"{NAME}-0"), (SETS, NAME)):
            server.remove(path, name)
            for _ in range(100):  # whoever waits for that has heard of it
                await asyncio.sleep(0)
            assert not deleting.done()
        server.remove(WORKLOADS, f"statefulset-{NAME}")
        await asyncio.wait_for(deleting, 5)


GONE_AWAY = condition("Ready", "False", reason="NodeStatusUnknown")


@pytest.mark.parametrize(
    ("replicas", "asked", "shape", "another"),
    [(1, "a", "s", False), (1, "b", "s", True), (1, "a", "t", False), (0, "a", "s", False), (0, "a", "t", True)],
)
def test_another_version_or_setting_makes_anew_only_what_does_not_run(replicas, asked, shape, another):
    there = stateful_set(replicas)
    there["metadata"]["annotations"] = {"qwex.dev/asked": asked, "qwex.dev/shape": shape}
    wanted = {"metadata": {"annotations": {"qwex.dev/asked": "a", "qwex.dev/shape": "s"}}}
    request = MachineRequest(TRAIN, "default", wanted, {}, {}, Path("key"))
    assert provider_module._is_another(StatefulSet.of(there), request) is another


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ([(PODS, pod(finalizers=["example.org/keep"]))], f"the pod {NAME}-0 is held by the finalizer example.org/keep"),
        ([(PODS, pod(GONE_AWAY, condition("ContainersReady")))], "the node gpu-3 of its pod does not answer"),
        (
            [(WORKLOADS, workload(finalizers=["kueue.x-k8s.io/resource-in-use"]))],
            f"the Workload statefulset-{NAME} is held by the finalizer kueue.x-k8s.io/resource-in-use",
        ),
        ([(SETS, stateful_set())], f"the StatefulSet {NAME} is still there: no finalizer holds it"),
    ],
)
async def test_what_does_not_go_is_named_with_what_holds_it(server, tmp_path, monkeypatch, there, said):
    for path, found in there:
        server.put(path, **found)
    monkeypatch.setattr(provider_module, "_GONE", 0.01)
    async with opened(tmp_path) as machines:
        with pytest.raises(BackendUnavailable) as raised:
            await machines.delete(TRAIN, purge=False)
    assert said in raised.value.message


async def test_its_grace_is_part_of_the_time_that_it_has_to_go(server, tmp_path, monkeypatch):
    server.put(SETS, **stateful_set(grace=600))
    monkeypatch.setattr(provider_module, "_GONE", -599.99)
    async with opened(tmp_path) as machines:
        with pytest.raises(BackendUnavailable, match=r"has not gone in 0\.01 s"):
            await machines.delete(TRAIN, purge=False)
