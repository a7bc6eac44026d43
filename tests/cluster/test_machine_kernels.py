"""A notebook's kernel in a machine on a real cluster."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from harness import images
from harness.waiting import wait_until
from jupyter_client.manager import KernelManager
from machines import SMALL, be_a_person, command, volumes

import qwex

SECONDS = 60
#: The Python of the machine's image.
IMAGES_PYTHON = (3, 11)


@pytest.fixture
def home_with_ipykernel(tmp_path_factory):
    """A folder that a machine has as its home, with ipykernel where its Python looks for what its user installed."""
    if sys.version_info[:2] != IMAGES_PYTHON:
        pytest.skip("compiled modules are those of the machine's Python")
    folder = tmp_path_factory.mktemp("home")
    packages = folder / ".local" / "lib" / "python{}.{}".format(*IMAGES_PYTHON) / "site-packages"
    for distribution in images.closure(("ipykernel",)):
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and source.is_file():
                target = packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
    for each in folder.rglob("*"):
        os.chown(each, 1000, 1000)
    return folder


@pytest.fixture
def client(cluster, user, namespace, home, home_with_ipykernel, tmp_path, monkeypatch):
    be_a_person(user, namespace, tmp_path, monkeypatch)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    with volumes(cluster, namespace, [home_with_ipykernel]) as homes:
        made = command("create", "train", *SMALL, "--storage-class", homes)
        assert made.returncode == 0, made.stderr
        yield qwex.Client()


def printed(client, code):
    """What the cell prints."""
    said = []
    client.execute_interactive(code, output_hook=lambda m: said.append(m["content"].get("text", "")), timeout=SECONDS)
    return "".join(said)


def test_cells_run_in_the_machine_through_a_cut_and_an_interrupt(client):
    manager = KernelManager(kernel_name="qwex-machine-train")
    manager.start_kernel()
    kernel = manager.client()
    try:
        kernel.start_channels()
        kernel.wait_for_ready(SECONDS)
        pod = client.machine("train").door["pod"]
        assert printed(kernel, "import os; print(os.uname().nodename, os.getcwd())") == f"{pod} /home/dev\n"

        kernel.execute("import time\nfor n in range(30): print(n, flush=True); time.sleep(0.1)")
        heard = ""
        while not heard.endswith("5\n"):
            heard += kernel.get_iopub_msg(SECONDS)["content"].get("text", "")
        (way,) = (pid for pid in below(manager.provisioner.process.pid) if name(pid) == "ssh")
        os.kill(way, 9)
        while not heard.endswith("29\n"):
            heard += kernel.get_iopub_msg(SECONDS)["content"].get("text", "")
        assert heard.split() == [str(n) for n in range(30)]

        sent = kernel.execute("while True: pass", stop_on_error=False)
        wait_until(lambda: kernel.get_iopub_msg(SECONDS)["parent_header"].get("msg_id") == sent, "it is on")
        manager.interrupt_kernel()
        while (reply := kernel.get_shell_msg(SECONDS))["parent_header"]["msg_id"] != sent:
            pass
        assert reply["content"]["ename"] == "KeyboardInterrupt"
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)
    assert command("delete", "train", "--purge").returncode == 0
    wait_until(lambda: not client.machines(), "it is gone", 60)


def below(pid):
    """The processes that this one has begun, and those that they have."""
    children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(each for child in children for each in below(child))]


def name(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()
