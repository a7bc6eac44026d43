"""What a job uses while it runs; GPUs by a small library that answers as NVIDIA's own does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from qwex.runner import usage

#: Four functions of nvml.h: three GPUs, of which the second is half busy.
LIBRARY = """
#include <string.h>
typedef struct { unsigned gpu, memory; } utilization;
typedef struct { unsigned long long total, free, used; } memory;
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned at, void **handle) { *handle = (void *)(long)(at + 1); return at > 2; }
int nvmlDeviceGetHandleByUUID(const char *id, void **handle) { *handle = (void *)3; return strcmp(id, "GPU-third"); }
int nvmlDeviceGetUtilizationRates(void *handle, utilization *u) { u->gpu = (long)handle == 2 ? 50 : 1; return 0; }
int nvmlDeviceGetMemoryInfo(void *handle, memory *m) { m->used = (long)handle * 1000; return 0; }
"""
ASK = """\
import sys, time
from qwex.runner import usage
meter = usage.Meter(sys.argv[1] if len(sys.argv) > 1 else None)
for _ in range(500):
    if found := meter.sample().get("gpus"):
        break
    time.sleep(0.01)
print(found)
"""
FIRST, SECOND, THIRD = ({"utilization": u, "memory": m} for u, m in ((1, 1000), (50, 2000), (1, 3000)))


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A folder with the library, for LD_LIBRARY_PATH."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(LIBRARY)
    command = [compiler, "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", folder / "nvml.c"]
    subprocess.run(command, check=True)
    return folder


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ((), [FIRST, SECOND, THIRD]),
        (("1",), [SECOND]),
        (("1,0",), [SECOND, FIRST]),
        (("GPU-third,7",), [THIRD]),
    ],
)
def test_the_jobs_gpus_alone(driver, visible, expected):
    environment = {**os.environ, "LD_LIBRARY_PATH": str(driver)}
    done = subprocess.run([sys.executable, "-c", ASK, *visible], env=environment, capture_output=True, text=True)
    assert done.stdout == f"{expected}\n", done.stderr


def test_none_where_the_job_has_none():
    assert "gpus" not in usage.Meter("").sample()


def test_processors_and_memory_of_what_is_below(tmp_path):
    meter = usage.Meter("", str(tmp_path / "no cgroup"))
    code = "x = bytearray(50_000_000)\nprint('there', flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as busy:
        busy.stdout.readline()
        sample = meter.sample()
        busy.kill()
    assert sample["memory"] > 50_000_000
    assert sample["cpu"] > 0


def test_in_a_container_its_control_group_counts(tmp_path):
    (tmp_path / "memory.current").write_text("5000\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 2000\n")
    (tmp_path / "cpu.stat").write_text("usage_usec 1000000\n")
    meter = usage.Meter("", str(tmp_path))
    (tmp_path / "cpu.stat").write_text("usage_usec 9000000\n")
    sample = meter.sample()
    assert sample["memory"] == 3000
    assert sample["cpu"] > 1
