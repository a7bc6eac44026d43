"""What tests of dev machines share: homes to give them, the command, and ssh as a person has it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from harness import images
from jobs import configure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.cluster import Cluster

__all__ = ["SMALL", "be_a_person", "command", "shell_in", "ssh", "volumes"]

SMALL = ("--cpu", "100m", "--mem", "256Mi", "--home", "1Gi")


def be_a_person(kubeconfig: Path, namespace: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With that kubeconfig and a home of their own in ``folder``; machines are from the image with an ssh server."""
    if not any(image.name == images.MACHINE for image in images.planned()):
        pytest.skip("needs Debian 12's packages for an image with an ssh server")
    if not shutil.which("ssh"):
        pytest.skip("needs OpenSSH's client")
    monkeypatch.chdir(folder)
    (folder / "person").mkdir()
    monkeypatch.setenv("HOME", str(folder / "person"))
    configure(monkeypatch, kubeconfig, namespace, machine_image=images.MACHINE)
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "kueue")


@contextmanager
def volumes(cluster: Cluster, namespace: str, folders: Sequence[Path], node: str = "") -> Iterator[str]:
    """A StorageClass of the test's own with volumes that anybody may write, of that node if one is named; its name."""
    name = f"machine-homes-{node}{namespace}"
    made = {f"{name}-{number}": _volume(name, folder, node) for number, folder in enumerate(folders)}
    kind = {"apiVersion": "v1", "kind": "PersistentVolume"}
    cluster.apply(*({**kind, "metadata": {"name": each}, "spec": spec} for each, spec in made.items()))
    yield name
    cluster.kubectl("delete", "pv", *made, "--wait=false")


def _volume(storage_class: str, folder: Path, node: str) -> dict[str, Any]:
    folder.chmod(0o777)
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "hostPath": {"path": str(folder)},
    }
    there = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    affinity = {"required": {"nodeSelectorTerms": [{"matchExpressions": [there]}]}}
    return {**spec, "nodeAffinity": affinity} if node else spec


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """``qwex machine …``."""
    return subprocess.run([sys.executable, "-m", "qwex.cli", "machine", *words], capture_output=True, text=True)


def ssh(*words: str, program: str = "ssh") -> subprocess.CompletedProcess[str]:
    """A command in a machine, by the person's own configuration."""
    file = os.path.expandvars("$HOME/.ssh/config")
    return subprocess.run([program, "-F", file, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def shell_in(host: str) -> subprocess.Popen[str]:
    """A shell with a terminal, which has begun; its end ends with the machine."""
    words = ["ssh", "-tt", "-F", os.path.expandvars("$HOME/.ssh/config"), host, "echo begun; exec cat"]
    shell = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert shell.stdout is not None
    assert shell.stdout.readline().strip() == "begun"
    return shell
