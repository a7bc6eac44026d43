"""The recipes at the root, run by just: a machine's day, and a controller to work on."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def just(boxes, qwex, tmp_path, monkeypatch):
    """Starts a recipe; what it started ends with the test."""
    program = shutil.which("just", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        pytest.skip("just is not installed")
    monkeypatch.setenv("QWEX", f"{sys.executable} -m qwex.cli")
    started = []

    def run(*words):
        command = [program, "--justfile", str(ROOT / "Justfile"), *words]
        pipe = subprocess.PIPE
        # A group of its own: Ctrl-C reaches the recipe and all that it started.
        started.append(
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, start_new_session=True
            )
        )
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def said(process):
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return out


def test_a_machines_day(just, tmp_path):
    if not Path("/usr/sbin/sshd").exists() or (os.getuid() == 0 and not os.path.isdir("/run/sshd")):
        pytest.skip("OpenSSH's server is not installed")
    made = said(just("machine-create", "--cpu", "2"))
    assert re.fullmatch(r"dev-[0-9a-f]{6}-[a-z2-9]{6}\n", made)
    forwarding = just("machine-port-forward", made.strip(), "0")
    key = forwarding.stderr.readline().split("'")[1]
    port = forwarding.stdout.readline().split()[0].rpartition(":")[2]
    known = ["-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={tmp_path / 'known'}", "-o", "BatchMode=yes"]
    me = pwd.getpwuid(os.getuid()).pw_name
    ran = subprocess.run(
        ["ssh", "-F", "none", "-i", key, "-p", port, *known, f"{me}@127.0.0.1", "echo there"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (0, "there\n"), ran.stderr
    os.killpg(forwarding.pid, signal.SIGINT)
    forwarding.communicate(timeout=30)
    assert "its home is kept" in said(just("machine-delete", made.strip()))


def test_a_controller_to_work_on(just, qwex):
    serving = just("ctrl-dev", "--port", "0")
    assert any("serving on http://127.0.0.1" in line for line in serving.stderr)
    assert qwex("controller", "status").out.startswith("running")
    os.killpg(serving.pid, signal.SIGINT)
    serving.communicate(timeout=30)
    assert qwex("controller", "status").code == 4
