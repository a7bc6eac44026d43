"""A machine, and Jupyter's own manager that starts kernels in it."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from harness.waiting import wait_until
from leftovers import end_all, processes_of
from sshmachine import SECONDS, SSHD, Kernel, Machine, command_line

from qwex.client import kernelspecs
from qwex.client.ssh import doors

pytest.importorskip("jupyter_client", reason="the jupyter extra is not installed")
pytest.importorskip("ipykernel", reason="the jupyter extra is not installed")

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import KernelProvisionerFactory

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DOORS = ROOT / "tests" / "qwex" / "client"


@pytest.fixture
def machine(monkeypatch):
    for program in ("ssh", "ssh-keygen"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    if not SSHD.exists():
        pytest.skip(f"{SSHD} is not installed")
    if os.getuid() == 0 and not os.path.isdir("/run/sshd"):
        pytest.skip("/run/sshd, which a server that root starts needs, is not there")
    place = Path(tempfile.mkdtemp(prefix="qk", dir="/tmp"))
    monkeypatch.setattr(doors, "_opener", lambda provider: f"ssh_doors:{provider}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(DOORS), *filter(None, sys.path)]))
    monkeypatch.setenv("SHELL", "/bin/sh")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(place / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(place / "run"))
    made = Machine(place)
    kernelspecs.install(made.folder, "train", sys.executable)
    yield made
    try:
        wait_until(lambda: not processes_of(place), f"the end of all processes of {place}", SECONDS)
    except TimeoutError as error:
        raise AssertionError(f"{error}: {[command_line(pid) for pid in processes_of(place)]}") from None
    finally:
        end_all(place)
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def provisioned(monkeypatch):
    """Jupyter knows the provisioner, as pyproject.toml names it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    group = "jupyter_client.kernel_provisioners"
    named = project["entry-points"][group]
    for name, value in named.items():
        monkeypatch.setitem(KernelProvisionerFactory.instance().provisioners, name, EntryPoint(name, value, group))


@pytest.fixture
def start(machine, provisioned):
    """Starts kernels on the machine, each with a client, and ends those that still run."""
    started = []

    def run(provisioned=True):
        specs = KernelSpecManager(kernel_dirs=[str(machine.place / "data" / "kernels")], ensure_native_kernel=False)
        if not provisioned:
            file = machine.place / "data" / "kernels" / kernelspecs.spec_name("train") / "kernel.json"
            spec = json.loads(file.read_text())
            del spec["metadata"]["kernel_provisioner"]
            file.write_text(json.dumps(spec))
        manager = KernelManager(kernel_name="qwex-machine-train", kernel_spec_manager=specs, shutdown_wait_time=5.0)
        kernel = Kernel(manager)
        started.append(kernel)
        manager.start_kernel()
        kernel.connect()
        return kernel

    yield run
    for kernel in started:
        kernel.close()
