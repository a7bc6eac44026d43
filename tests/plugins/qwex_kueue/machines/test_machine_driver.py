"""Whether a machine with GPUs says that it cannot use them: the script itself, over a root folder of the test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import qwex_kueue.machines

SCRIPT = Path(qwex_kueue.machines.__file__).parent / "scripts" / "driver.sh"
DEVICE, LIBRARY = "dev/nvidia0", "usr/lib/x86_64-linux-gnu/libcuda.so.1"


@pytest.fixture
def said(tmp_path):
    """Runs the script in a container that has these files; what it said."""

    def once(*files, gpus="1", **variables):
        for file in files:
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        environment = {"PATH": "/usr/bin:/bin", "QWEX_ROOT": str(tmp_path), "QWEX_GPUS": gpus, **variables}
        done = subprocess.run(["sh", "-u", str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return once


def test_a_machine_without_gpus_says_nothing(said):
    assert said(gpus="") == ""


@pytest.mark.parametrize(
    "files",
    [
        (DEVICE, LIBRARY),
        ("dev/nvidia3", "usr/lib64/libcuda.so.1"),
        (DEVICE, "usr/local/nvidia/lib64/libcuda.so.1"),
        ("dev/dxg", "usr/lib/wsl/lib/libcuda.so.1"),
    ],
)
def test_a_driver_that_is_there_is_not_spoken_of(said, files):
    assert said(*files) == ""


def test_a_library_may_be_where_the_image_says(said):
    assert said(DEVICE, "opt/own/libcuda.so.1", LD_LIBRARY_PATH="/opt/other:/opt/own") == ""


@pytest.mark.parametrize(("gpus", "words"), [("1", "1 GPU by"), ("2", "2 GPUs by")])
def test_no_device_is_told_with_whom_to_ask(said, gpus, words):
    (line,) = said(LIBRARY, "dev/nvidiactl", gpus=gpus).splitlines()
    assert f"this machine has {words} Kubernetes, but no NVIDIA driver is visible in it" in line
    assert "runtime class nvidia" in line


def test_no_library_is_told_with_what_brings_it(said):
    (line,) = said(DEVICE).splitlines()
    assert "there is no libcuda.so.1" in line
    assert "--env NVIDIA_DRIVER_CAPABILITIES=compute,utility" in line
