"""What may fail around a machine that somebody works on: it is said, and the machine and its home are there again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness.cluster import BuiltCluster
from harness.waiting import wait_until
from machines import SMALL, be_a_person, command, shell_in, ssh, volumes
from people import admit

import qwex
from qwex.machines import MachineReason, MachineState

#: Takes more memory than the machine has.
_GREEDY = "python3 -c \"x = ['x' * 1_000_000 for _ in range(1_000)]\""


@pytest.fixture
def small_home(breakable, tmp_path_factory):
    """A folder with room for few bytes; the cluster's processes have mounts of their own."""
    if not isinstance(breakable, BuiltCluster):
        pytest.skip("needs the mounts of the cluster's node")
    folder = tmp_path_factory.mktemp("home")

    def run(*words):
        breakable.processes.start(words[0], *words)
        assert breakable.processes.exit_code(words[0], 10) == 0

    run("mount", "-t", "tmpfs", "-o", "size=4m,mode=777", "tmpfs", str(folder))
    yield folder
    run("umount", "--lazy", str(folder))


@pytest.fixture
def homes(breakable, breakable_namespace, small_home):
    with volumes(breakable, breakable_namespace, [small_home]) as name:
        yield name


@pytest.fixture
def client(breakable, breakable_namespace, home, tmp_path, monkeypatch):
    """A client whose machines are in the cluster whose parts may be stopped."""
    be_a_person(admit(breakable, breakable_namespace), breakable_namespace, tmp_path, monkeypatch)
    return qwex.Client()


@pytest.fixture
def apiserver(breakable):
    """Stops the API server; it runs again at the end whatever happens."""
    yield breakable
    breakable.start_apiserver()


def tunnels(shell):
    """The processes that ssh has started for its way in."""
    children = Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split()
    return [int(each) for each in children]


def test_the_tunnel_the_server_the_pod_the_memory_the_disk(client, homes, breakable, breakable_namespace, apiserver):
    assert command("create", "train", *SMALL, "--storage-class", homes).returncode == 0
    assert ssh("qwex-train", "echo kept > note").returncode == 0

    def is_back():
        return (
            client.machine("train").state is MachineState.RUNNING and ssh("qwex-train", "cat note").stdout == "kept\n"
        )

    shell = shell_in("qwex-train")
    for tunnel in tunnels(shell):
        os.kill(tunnel, signal.SIGKILL)
    assert shell.wait(20) == 255
    assert ssh("qwex-train", "cat note").stdout == "kept\n"

    shell = shell_in("qwex-train")
    breakable.stop_apiserver()
    assert shell.wait(60) == 255
    refused = ssh("qwex-train", "true")
    assert refused.returncode == 255
    assert "the Kubernetes API server" in refused.stderr
    breakable.start_apiserver()
    wait_until(is_back, "it is entered again", 60)

    shell = shell_in("qwex-train")
    pod = f"{client.machine('train').door['pod']}"
    breakable.kubectl("delete", "-n", breakable_namespace, "pod", pod, "--grace-period=1", "--wait=false")
    assert shell.wait(60) == 255
    wait_until(is_back, "another pod has its home", 60)

    assert ssh("qwex-train", _GREEDY).returncode != 0
    wait_until(is_back, "it is there after it was out of memory", 60)

    full = ssh("qwex-train", "cat /dev/zero > filler; echo more > more")
    assert "No space left on device" in full.stderr
    assert ssh("qwex-train", "rm filler && cat note").stdout == "kept\n"

    assert command("delete", "train", "--purge").returncode == 0
    wait_until(lambda: not client.machines(), "it is gone", 60)


def test_a_node_that_does_not_answer(client, breakable, breakable_namespace, tmp_path_factory):
    with volumes(breakable, breakable_namespace, [tmp_path_factory.mktemp("home")]) as homes:
        assert command("create", "train", *SMALL, "--storage-class", homes).returncode == 0
        assert ssh("qwex-train", "echo kept > note").returncode == 0
        breakable.stop_kubelet()
        try:
            wait_until(lambda: client.machine("train").reason == MachineReason.NODE_LOST, "it is said", 60)
            assert "the machine may run on there" in client.machine("train").message
            client.stop_machine("train")
            wait_until(lambda: "it has stopped when the node is back" in client.machine("train").message, "it is told")
            assert client.machine("train").state is MachineState.STOPPING
        finally:
            breakable.start_kubelet()
        wait_until(lambda: client.machine("train").state is MachineState.STOPPED, "it has stopped", 60)
        assert command("delete", "train", "--purge").returncode == 0
        wait_until(lambda: not client.machines(), "it is gone", 60)
