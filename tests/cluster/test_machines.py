"""Dev machines on a real cluster, as a user has them: one command, then ssh, copy, stop, start, delete."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import images, objects
from harness.waiting import wait_until
from jobs import SMALL as SMALL_JOB
from jobs import script
from machines import SMALL, be_a_person, command, shell_in, ssh, volumes
from people import GROUP

import qwex
from qwex.machines import MachineReason, MachineState


@pytest.fixture
def homes(cluster, namespace, tmp_path_factory):
    with volumes(cluster, namespace, [tmp_path_factory.mktemp("home") for _ in range(3)]) as name:
        yield name


@pytest.fixture
def client(user, namespace, home, homes, tmp_path, monkeypatch):
    """A client whose machines are in a namespace of the test's own, with a user's rights and a home of their own."""
    be_a_person(user, namespace, tmp_path, monkeypatch)
    return qwex.Client()


MACHINE = [sys.executable, "-m", "qwex.cli", "machine"]


def test_one_command_and_ssh_works_and_the_home_stays(client, homes, cluster, namespace, tmp_path):
    more = ("-e", 'GREETING=hi "you"', "--pre-stop", "echo saved > saved")
    made = command("create", "train", *SMALL, "--storage-class", homes, *more)
    assert made.returncode == 0, made.stderr
    # Why it was not there yet, which was never for want of a node.
    assert {line.split()[1] for line in made.stderr.splitlines()} <= {"QUEUED", "STARTING"}
    assert "no node takes" not in made.stderr
    assert "ssh qwex-train" in made.stdout
    assert "vscode://vscode-remote/ssh-remote+qwex-train/home/dev" in made.stdout
    inside = ssh("qwex-train", "echo $GREETING; id -un; pwd; echo kept > note; exit 3")
    assert (inside.returncode, inside.stdout) == (3, 'hi "you"\ndev\n/home/dev\n'), inside.stderr

    with ThreadPoolExecutor(10) as pool:
        codes = list(pool.map(lambda number: ssh("qwex-train", f"exit {number}").returncode, range(10)))
    assert codes == list(range(10))

    data = os.urandom(20_000_000)
    (tmp_path / "data").write_bytes(data)
    assert ssh(str(tmp_path / "data"), "qwex-train:data", program="scp").returncode == 0
    assert ssh("qwex-train:data", str(tmp_path / "back"), program="scp").returncode == 0
    assert (tmp_path / "back").read_bytes() == data

    assert command("create", "train", *SMALL).returncode != 0  # the name is taken

    shell = shell_in("qwex-train")
    assert command("stop", "train").returncode == 0
    assert "this machine stops now" in shell.communicate(timeout=60)[0]
    wait_until(lambda: client.machine("train").state is MachineState.STOPPED, "it is stopped")
    assert not cluster.list("-n", namespace, "pods")
    refused = ssh("qwex-train", "true")
    assert refused.returncode == 255
    assert "the machine train is stopped. Start it with: qwex machine start train" in refused.stderr

    # A wish that another overtakes ends as the last one says.
    client.start_machine("train")
    client.stop_machine("train")
    client.start_machine("train")
    wait_until(lambda: client.machine("train").state is MachineState.RUNNING, "it runs again", 60)
    client.stop_machine("train")
    wait_until(lambda: client.machine("train").state is MachineState.STOPPED, "it is stopped again")

    # Other resources are another pod, with the same home and the same host key.
    assert command("start", "train", "--cpu", "150m", "--gpu", "1").returncode == 0
    inside = ssh("qwex-train", "cat note saved")
    assert inside.stdout == "kept\nsaved\n"
    # The test cluster's GPUs are there in name only.
    assert "this machine has 1 GPU by Kubernetes, but no NVIDIA driver is visible in it" in inside.stderr
    told = command("gpus")
    assert " of 64" in told.stdout
    assert "nodes cannot be listed with your rights: totals are those of the queues' quotas" in told.stderr

    assert command("delete", "train", "--purge").returncode == 0
    wait_until(lambda: not client.machines(), "it is gone", 60)
    left = cluster.list("-n", namespace, "statefulsets,secrets,pods")
    assert [each["metadata"]["name"] for each in left] == []


def test_it_makes_way_for_who_is_before_it_and_is_back_with_its_home(client, homes, cluster, cluster_queue):
    # Classes are the whole cluster's: a value that no other test has.
    cluster.apply(
        {"apiVersion": objects.KUEUE, "kind": "WorkloadPriorityClass", "metadata": {"name": "machine"}, "value": 72}
    )
    quotas = {"cpu": "150m", "memory": "1Gi"}
    queue = cluster_queue(quotas, preemption={"withinClusterQueue": "LowerPriority"})
    low = ("--queue", queue, "--pre-stop", "echo saved > saved")
    assert command("create", "train", *SMALL, "--storage-class", homes, *low).returncode == 0
    ssh("qwex-train", "echo kept > note")
    shell = shell_in("qwex-train")

    job = client.submit(
        script("import time; time.sleep(3)", queue=queue, priority=72, resources={**SMALL_JOB, "memory": "64Mi"})
    )
    assert "this machine stops now" in shell.communicate(timeout=60)[0]
    wait_until(lambda: client.machine("train").reason == "Preempted", "it is said to have made way", 30)
    assert "the machine train waits for its turn" in ssh("qwex-train", "true").stderr
    job.wait(60)
    wait_until(lambda: client.machine("train").state is MachineState.RUNNING, "it is back", 60)
    assert ssh("qwex-train", "cat note saved").stdout == "kept\nsaved\n"


def test_nobody_uses_it_and_it_is_stopped_but_not_while_it_works(client, homes):
    idle = ("--idle", "6s", "--image", images.PYTHON)
    assert command("create", "quiet", *SMALL, "--storage-class", homes, *idle).returncode == 0
    busy = "import time\nwhile time.time() < {}: pass\nopen('done', 'w').close()"
    ssh("qwex-quiet", f'python3 -c "{busy.format(time.time() + 10)}" < /dev/null > /dev/null 2>&1 &')
    wait_until(lambda: any("python3" in each for each in client.machine("quiet").doing), "it is seen to work", 30)
    wait_until(lambda: client.machine("quiet").state is MachineState.STOPPED, "it is stopped", 60)
    assert client.machine("quiet").reason == MachineReason.IDLE
    assert command("start", "quiet").returncode == 0
    assert ssh("qwex-quiet", "ls").stdout == "done\n"


def test_what_a_machine_cannot_have_is_said(client, homes, cluster, namespace, cluster_queue, tmp_path):
    """Two of a name at once, a class that there is not, a home out of reach, a quota that others took meanwhile."""
    queue = cluster_queue({"cpu": "150m", "memory": "1Gi"})
    with ThreadPoolExecutor(2) as pool:
        made = list(
            pool.map(lambda _: command("create", "one", *SMALL, "--storage-class", homes, "-q", queue), range(2))
        )
    assert sorted(each.returncode for each in made) == [0, 1]
    assert "one" in next(each.stderr for each in made if each.returncode)

    refused = command("create", "first", *SMALL, "--storage-class", homes, "--priority", "3")
    assert "no priority class has the value 3" in refused.stderr
    refused = command("create", "large", *SMALL, "--storage-class", homes, "-q", queue, "--gpu", "1")
    assert "can ever give" in refused.stderr
    refused = command("create", "astray", *SMALL, "--storage-class", homes, "-q", "nosuch")
    assert "no queue 'nosuch'" in refused.stderr
    assert command("create", "nowhere", *SMALL, "--storage-class", "nosuch", "--detach").returncode == 0
    wait_until(lambda: '"nosuch" not found' in client.machine_why("nowhere").summary, "the class is named", 30)
    with volumes(cluster, namespace, [tmp_path], node="elsewhere") as elsewhere:
        assert command("create", "away", *SMALL, "--storage-class", elsewhere, "--detach").returncode == 0
        home = f"volume of its home, qwex-{client.machine('away').id}-home"
        wait_until(lambda: home in client.machine_why("away").summary, "it is said where its home is", 30)
        client.delete_machine("away", purge=True)

    client.stop_machine("one")
    wait_until(lambda: client.machine("one").state is MachineState.STOPPED, "it has stopped", 30)
    job = client.submit(script("input()", queue=queue, resources={**SMALL_JOB, "memory": "64Mi"}))
    wait_until(lambda: job.status().state == "RUNNING", "the job has the quota", 60)
    client.start_machine("one")
    wait_until(lambda: "waits for 0.1 cores" in client.machine_why("one").summary, "it says what it waits for", 30)
    assert "the machine one waits for its turn" in ssh("qwex-one", "true").stderr

    for name in ("one", "nowhere"):
        client.delete_machine(name, purge=True)
    wait_until(lambda: not client.machines(), "they are gone", 60)
    left = cluster.list("-n", namespace, "statefulsets,secrets")
    assert not [each for each in left if each["metadata"]["name"].startswith("qwex-one")]
    job.cancel()


def test_ports_of_it_are_had_here_and_colleagues_get_in(client, homes, user, cluster, namespace, tmp_path):
    assert command("create", "train", *SMALL, "--storage-class", homes, "--detach").returncode == 0
    wait_until(lambda: client.machine("train").state is MachineState.RUNNING, "it runs", 60)
    # Nobody has asked for a list since it has a door: ssh finds it out.
    assert ssh("qwex-train", "true").returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as stack:
        # The image has nothing that serves; what listens in the machine leads back to this process.
        back = f"6006:127.0.0.1:{server.getsockname()[1]}"
        words = ["ssh", "-F", os.path.expandvars("$HOME/.ssh/config"), "-tt", "-R", back, "qwex-train"]
        stack.enter_context(_started([*words, "echo begun; exec sleep 1000"])).stdout.readline()
        ports = ["port-forward", "train", "0:6006", "0:6007", "0:2222"]
        forwarding = stack.enter_context(_started([*MACHINE, *ports]))
        good, bad, door = (int(forwarding.stdout.readline().split()[0].rpartition(":")[2]) for _ in range(3))
        with socket.create_connection(("127.0.0.1", good), 60) as one:
            one.sendall(b"hello")
            other = stack.enter_context(server.accept()[0])
            assert other.recv(10) == b"hello"
            data = os.urandom(20_000_000)
            sending = threading.Thread(target=other.sendall, args=(data,))
            sending.start()
            assert _read(one, len(data)) == data
            sending.join()
        assert socket.create_connection(("127.0.0.1", bad), 60).recv(10) == b""
        assert any(line == "nothing listens on port 6007 of train\n" for line in forwarding.stderr)

        assert command("stop", "train").returncode == 0
        assert any("Start it with: qwex machine start train" in line for line in forwarding.stderr)
        bob = _other(tmp_path / "b", user)
        key = _run(bob, *MACHINE, "key").stdout.strip()
        shared = command("share", "train", "--key", key, "--name", "bob")
        assert "get and create pods/portforward in the namespace" in shared.stderr
        assert str(user) not in shared.stdout
        wait_until(lambda: client.machine("train").state is MachineState.STOPPED, "it is stopped")
        assert command("start", "train").returncode == 0
        assert any(line == "the machine train runs again\n" for line in forwarding.stderr)
        with socket.create_connection(("127.0.0.1", door), 60) as one:
            assert one.recv(8) == b"SSH-2.0-"

    # Carol has the rights, and no key that the machine takes, nor can she read its own; Eve has none.
    carol = _other(tmp_path / "c", cluster.kubeconfig_for("carol", [GROUP]))
    eve = _other(tmp_path / "e", cluster.kubeconfig_for("eve", ["nobody"]))
    for person in (bob, carol, eve):
        assert _run(person, *MACHINE, "join", "-", input=shared.stdout).returncode == 0
    inside, keyless, refused = (
        _run(person, "ssh", "-F", f"{person['HOME']}/.ssh/config", "qwex-train", "id -un")
        for person in (bob, carol, eve)
    )
    assert inside.stdout == "dev\n", inside.stderr
    assert keyless.returncode == refused.returncode == 255
    assert "Permission denied (publickey)" in keyless.stderr
    assert "you may not get and create pods/portforward" in refused.stderr
    secret = ("secret", f"qwex-{client.machine('train').id}-auth", "-n", namespace)
    assert cluster.get(*secret)
    assert "Forbidden" in cluster.run_kubectl("get", *secret, "--as=carol", f"--as-group={GROUP}").stderr


def _other(folder, kubeconfig):
    """The environment of somebody else."""
    folder.mkdir()
    return {**os.environ, "QWEX_HOME": str(folder), "HOME": str(folder), "KUBECONFIG": str(kubeconfig)}


def _run(person, *words, input=""):
    return subprocess.run(words, env=person, input=input, capture_output=True, text=True)


@contextlib.contextmanager
def _started(words):
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)
    yield process
    process.kill()
    process.communicate()


def _read(connection, count):
    found = bytearray()
    while len(found) < count and (more := connection.recv(1 << 18)):
        found += more
    return bytes(found)
