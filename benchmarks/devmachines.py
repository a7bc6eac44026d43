"""``make bench-machines``: dev machines on a cluster, beside ``kubectl`` doing the same.

python benchmarks/devmachines.py [--quick]

The cluster is the one of the tests (see CONTRIBUTING.md). Image and volumes are there, the quota is free, and a
controller runs. The same copies and commands go in turn through qwex's way in and through ``kubectl port-forward``,
which was started before.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import machine
import on_kueue  # noqa: F401 - finds the test cluster
import pytest
from harness import objects
from harness.source import open_cluster
from harness.waiting import wait_until
from machines import be_a_person, command, ssh, volumes
from people import admit

import qwex
from qwex.machines import MachineState

SMALL = ("--cpu", "100m", "--mem", "512Mi", "--home", "1Gi")
ROUNDS, TIMES, SIZE = 5, 15, 200_000_000
#: Seconds that a machine has been there before it is stopped. A kubelet looks a second or two late at a pod that has
#: only just become ready, whatever is asked of it.
REST = 8


class Bench:
    """One cluster, one person, one machine at a time."""

    def __init__(self, client, homes, *, quick):
        self.client = client
        self.homes = homes
        self.rounds, self.times = (2, 5) if quick else (ROUNDS, TIMES)

    def is_now(self, state):
        return lambda: self.client.machine("train").state is state

    def lives(self):
        """Seconds of create, stop and start, each until what the person waits for is so."""
        taken = {"create": [], "stop": [], "start": [], "stop at once": []}
        for _ in range(self.rounds):
            taken["create"].append(seconds(self.made))
            time.sleep(REST)
            taken["stop"].append(seconds(self.stopped))
            taken["start"].append(seconds(self.started))
            taken["stop at once"].append(seconds(self.stopped))
            command("start", "train")
            command("delete", "train", "--purge")
            wait_until(lambda: not self.client.machines(), "it is gone", 60)
        return taken

    def made(self):
        assert command("create", "train", *SMALL, "--storage-class", self.homes).returncode == 0
        assert ssh("qwex-train", "true").returncode == 0

    def stopped(self):
        self.client.stop_machine("train")
        wait_until(self.is_now(MachineState.STOPPED), "it is stopped", 60)

    def started(self):
        assert command("start", "train").returncode == 0
        assert ssh("qwex-train", "true").returncode == 0

    def compared(self, forwarded):
        """Seconds of the same by qwex's way and by the forwarded port, in turn."""
        folder = Path(tempfile.mkdtemp())
        (folder / "data").write_bytes(os.urandom(SIZE))
        words = {"qwex": ("qwex-train", ()), "kubectl port-forward": ("127.0.0.1", forwarded)}
        taken = {}
        for what, count in (("ssh true", self.times), ("ten at once", 3), ("200 MB in", 3), ("200 MB out", 3)):
            for _ in range(count):
                for way, (host, options) in words.items():
                    taken.setdefault((what, way), []).append(seconds(ways, what, host, options, folder))
        return taken


def ways(what, host, options, folder):
    if what == "ssh true":
        assert ssh(*options, host, "true").returncode == 0
    elif what == "ten at once":
        with ThreadPoolExecutor(10) as pool:
            assert not any(each.returncode for each in pool.map(lambda _: ssh(*options, host, "true"), range(10)))
    else:
        here, there = str(folder / "data"), f"{host}:data"
        pair = (here, there) if what.endswith("in") else (there, here)
        options = ["-P" if word == "-p" else word for word in options]
        assert ssh(*options, *pair, program="scp").returncode == 0


def seconds(do, *arguments):
    begun = time.perf_counter()
    do(*arguments)
    return time.perf_counter() - begun


@contextlib.contextmanager
def forwarding(cluster, kubeconfig, namespace, pod, folder):
    """The options of ssh for a port that kubectl forwards."""
    words = [cluster.kubectl_path(), f"--kubeconfig={kubeconfig}", "-n", namespace, "port-forward", pod, ":2222"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    port = process.stdout.readline().split("->")[0].rpartition(":")[2].strip()
    key = next((folder / "qwex" / "ssh").glob("id_*[!b]"))
    hosts = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    yield ["-F", "/dev/null", "-p", port, "-o", "User=dev", "-i", str(key), *hosts]
    process.terminate()
    process.wait()


def shown(taken):
    middle = statistics.median(taken)
    return f"{middle:6.2f} s ({min(taken):.2f} … {max(taken):.2f}, {len(taken)} samples)"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short round")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        cluster = open_cluster("bench", lambda text: print(text, flush=True))
        stack.callback(cluster.close)
        patch = pytest.MonkeyPatch()
        stack.callback(patch.undo)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        namespace = f"bench-{uuid.uuid4().hex[:8]}"
        cluster.apply(objects.namespace(namespace), objects.local_queue(namespace, "default", objects.GENEROUS))
        kubeconfig = admit(cluster, namespace)
        patch.setenv("QWEX_HOME", str(folder / "qwex"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        be_a_person(kubeconfig, namespace, folder, patch)
        homes = [folder / f"home-{number}" for number in range(2 * ROUNDS)]
        for home in homes:
            home.mkdir()
        name = stack.enter_context(volumes(cluster, namespace, homes))
        client = qwex.Client()
        stack.callback(subprocess.run, [sys.executable, "-m", "qwex.cli", "controller", "stop"], check=False)
        client.machines()
        bench = Bench(client, name, quick=options.quick)
        print(f"busy before: {machine.busy():.0%}\n", flush=True)
        for what, taken in bench.lives().items():
            print(f"{what:32} {shown(taken)}", flush=True)
        bench.made()
        pod = client.machine("train").door["pod"]
        with forwarding(cluster, kubeconfig, namespace, pod, folder) as forwarded:
            found = bench.compared(forwarded)
        for (what, way), taken in found.items():
            peer = statistics.median(found[what, "kubectl port-forward"])
            print(f"{what:10} {way:21} {shown(taken)}  x{statistics.median(taken) / peer:.2f}", flush=True)
        command("delete", "train", "--purge")
        wait_until(lambda: not client.machines(), "it is gone", 60)


if __name__ == "__main__":
    main()
