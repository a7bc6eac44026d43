"""The GPUs of this machine: what its queue has given out, and why there are none."""

from __future__ import annotations

import pytest
from qwex_local import machine
from qwex_local.gpus import report
from qwex_local.machine import Gpu, Machine
from qwex_local.queue import Amount, Entry, Scheduler, Shape
from qwex_local.settings import read

from qwex.quantities import parse_gpu

GIB = 1 << 30
FOUND = Machine(
    8000, 32 * GIB, (Gpu("0", "NVIDIA A100-SXM4-80GB", 80 * GIB), Gpu("1", "NVIDIA A100-SXM4-80GB", 80 * GIB),
                     Gpu("2", "NVIDIA A100-SXM4-40GB", 40 * GIB)),
)  # fmt: skip


def test_kinds_are_told_apart_by_what_asks_for_them_and_what_jobs_hold_is_not_free():
    scheduler = Scheduler(FOUND, {"day": Amount(8000, 32 * GIB, 3), "night": Amount(8000, 32 * GIB, 1)})
    entry = Entry("job-1", "day", Shape(1000, GIB, parse_gpu("A100:80GB:1")), 0, 1)
    scheduler.hold(entry, ["0"])
    found = report(scheduler, "none")
    assert [(kind.type, kind.total, kind.free) for kind in found.kinds] == [("A100:80GB", 2, 1), ("A100:40GB", 1, 1)]
    assert [(quota.queue, quota.used, quota.nominal, quota.left) for quota in found.quotas] == [
        ("day", 1, 3, 2),
        ("night", 0, 1, 1),
    ]
    scheduler.release(entry)
    assert [kind.free for kind in report(scheduler, "none").kinds] == [2, 1]


def test_pretended_ones_say_so():
    (kind,) = report(Scheduler(machine.detect(read({"gpus": "A100:80GB:2"})), {}), "none").kinds
    assert (kind.type, kind.total, kind.simulated) == ("A100", 2, True)


def test_none_says_why():
    assert report(Scheduler(Machine(1000, GIB), {}), "why").notes == ("why",)


@pytest.mark.parametrize(
    ("given", "driver", "bindings", "why"),
    [
        ({"gpus": "0"}, True, True, "gpus in [local] is 0"),
        ({}, False, True, "no NVIDIA driver"),
        ({}, True, False, "pip install 'qwex[gpu]'"),
        ({}, True, True, "CUDA_VISIBLE_DEVICES"),
    ],
)
def test_why_there_are_none(given, driver, bindings, why, tmp_path, monkeypatch):
    file = tmp_path / "nvidiactl"
    if driver:
        file.touch()
    monkeypatch.setattr(machine, "_DRIVER_FILES", (str(file),))
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda _: object() if bindings else None)
    assert why in machine.why_none(read(given))
