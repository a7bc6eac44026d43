"""What a machine has, as settings and NVML say."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from qwex_local import machine, process
from qwex_local.settings import read


class Nvml:
    """NVML's answers for two GPUs, the second cut into two MIG instances."""

    class NVMLError(Exception):
        pass

    def nvmlDeviceGetCount(self):  # noqa: N802 - NVML's own names, here and below
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        return f"GPU-{index}"

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        return f"{handle}-uuid".encode()

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return "NVIDIA A100-SXM4-80GB"

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(total=10 * 10**9 if handle.startswith("MIG") else 80 * 10**9)

    def nvmlDeviceGetMaxMigDeviceCount(self, handle):  # noqa: N802
        if handle == "GPU-0":
            raise self.NVMLError
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle, index):  # noqa: N802
        if index == 2:
            raise self.NVMLError
        return f"MIG-{index}"


def found(monkeypatch, visible=None):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    return [gpu.id for gpu in machine._visible(machine._devices(Nvml()))]


def test_gpus_by_index_and_instances_by_uuid(monkeypatch):
    assert found(monkeypatch) == ["0", "MIG-0-uuid", "MIG-1-uuid"]


@pytest.mark.parametrize(
    ("visible", "ids"), [("0", ["0"]), ("GPU-0", ["0"]), ("MIG-1-uuid", ["MIG-1-uuid"]), ("", []), ("-1", [])]
)
def test_a_limit_on_the_controller_holds_for_its_jobs(monkeypatch, visible, ids):
    assert found(monkeypatch, visible) == ids


def test_simulated_gpus_are_marked():
    given = machine.detect(read({"gpus": 2}))
    assert [(gpu.id, gpu.simulated) for gpu in given.gpus] == [("0", True), ("1", True)]
    assert given.simulated
    typed = machine.detect(read({"gpus": "A100:80GB:1"}))
    assert (typed.gpus[0].model, typed.gpus[0].memory) == ("A100", 80 * 10**9)
    assert machine.detect(read({"gpus": 0})).gpus == ()


def test_the_machines_own_amounts():
    given = machine.detect(read({}))
    assert given.cpu >= 1000
    assert given.cpu % 1000 == 0
    assert given.memory > 10**8
    told = machine.detect(read({"cpu": "500m", "memory": "2Gi"}))
    assert (told.cpu, told.memory) == (500, 2 * 2**30)


def test_a_process_is_known_by_its_pid_and_start():
    me = process.identify(os.getpid())
    assert process.alive(me)
    assert process.send(me, 0)
    another = process.Identity(me.pid, 0)
    assert not process.alive(another)
    assert not process.send(another, 9)


def test_an_ended_child_is_gone_before_it_is_waited_for():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert process.identify(pid) is None
    os.waitpid(pid, 0)
    assert process.identify(pid) is None
