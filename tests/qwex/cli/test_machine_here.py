"""``qwex machine`` on this computer, as somebody has it in the first minutes: one command, then ssh."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from harness.waiting import wait_until


@pytest.fixture
def here(qwex, tmp_path):
    """Runs a subcommand of ``qwex machine`` as a person with a home of their own."""
    if not shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin") or not shutil.which("ssh"):
        pytest.skip("needs OpenSSH, client and server")
    if os.getuid() == 0 and not os.path.isdir("/run/sshd"):
        pytest.skip("/run/sshd, which a server that root starts needs, is not there")
    yield lambda *words: qwex("machine", *words, HOME=str(tmp_path))
    qwex("machine", "delete", "train", "--purge", HOME=str(tmp_path))


def ssh(home, *words):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = ["ssh", "-F", str(home / ".ssh" / "config"), "qwex-train", *words]
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, timeout=60)


def test_one_command_and_ssh_works_and_the_home_stays(here, tmp_path):
    made = here("create", "train", "--pre-stop", "echo saved > saved")
    assert made.code == 0
    assert all(line.startswith("train  STARTING  ") for line in made.err.splitlines())
    assert "ssh qwex-train" in made.out
    inside = ssh(tmp_path, "echo kept > note; pwd; exit 3")
    assert inside.returncode == 3, inside.stderr
    assert f"vscode-remote/ssh-remote+qwex-train{inside.stdout.strip()}" in made.out
    head, row = here("list").out.splitlines()
    assert head.split() == ["NAME", "STATE", "SIZE", "QUEUE", "MESSAGE"]
    assert row.split() == ["train", "RUNNING", "1", "cpu", "default"]
    assert "4 cores" in here("create", "large", "--cpu", "4").err
    running = here("start", "train", "--cpu", "2")
    assert (running.code, "Stop it first: qwex machine stop train" in running.err) == (1, True)
    assert "already, RUNNING. Log in: ssh qwex-train" in here("create", "train").err
    assert here("stop", "train").code == 0
    wait_until(lambda: "STOPPED" in here("status", "train").out, "it is stopped")
    refused = ssh(tmp_path, "true")
    assert "the machine train is stopped. Start it with: qwex machine start train" in refused.stderr
    assert here("start", "train", "--cpu", "2").code == 0
    assert ssh(tmp_path, "cat note saved").stdout == "kept\nsaved\n"


def test_without_an_ssh_server_the_command_opens_a_shell(here, monkeypatch):
    monkeypatch.setenv("QWEX_LOCAL__SSHD", "")
    made = here("create", "train")
    assert "qwex machine ssh train" in made.out
    assert "there is no ssh server here" in made.err
    ran = here("ssh", "train", "--", "echo $QWEX_MACHINE; exit 4")
    assert (ran.code, ran.out) == (4, "train\n")
    assert "is an option of ssh" in here("ssh", "train", "--", "-v").err
    assert here("stop", "train").code == 0
    wait_until(lambda: "STOPPED" in here("status", "train").out, "it is stopped")
    assert "Start it with: qwex machine start train" in here("ssh", "train").err
