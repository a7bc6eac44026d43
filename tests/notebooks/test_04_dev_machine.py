"""The notebook about dev machines, executed as a person would on this computer."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "04_dev_machine.ipynb"


@pytest.fixture
def executed(home, tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="the demo extra is not installed")
    if not importlib.util.find_spec("qwex_local.machines"):
        pytest.skip("the backend local has no dev machines")
    if not entry_points(group="jupyter_client.kernel_provisioners", name="qwex-machine"):
        pytest.skip("qwex's kernel provisioner is not installed")
    if not shutil.which("ssh") or not Path("/usr/sbin/sshd").exists():
        pytest.skip("needs OpenSSH's server and client")
    from nbclient import NotebookClient

    (tmp_path / "person").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("QWEX_LOCAL__CPU", "2")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    book = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(book, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    return book


def printed(book, text):
    """What the one code cell prints that holds ``text``."""
    (found,) = [c for c in book.cells if c.cell_type == "code" and text in c.source]
    return "".join(o.get("text", "") or o.get("data", {}).get("text/plain", "") for o in found.outputs)


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_what_the_notebook_tells_people_to_look_at_is_there(executed):
    assert "ssh qwex-demo" in printed(executed, "machine create")
    assert "user " in printed(executed, "id -un")
    assert printed(executed, "wc -l").split() == ["100", "data.csv"]
    assert 'Jupyter lists "Python (demo)"' in printed(executed, "machine kernel")
    assert printed(executed, "start_new_kernel").split("\n") == ["the sum is 5050", "'ok'"]
    assert "30m" in printed(executed, "machine set")
    assert "STOPPED" in printed(executed, "machine stop")
    assert "Start it with: qwex machine start demo" in printed(executed, "demo -- true")
    assert printed(executed, "tail -n 1").split()[-1] == "100"
    assert "no machines" in printed(executed, "--purge")


def test_the_notebook_is_committed_without_outputs():
    nbformat = pytest.importorskip("nbformat", reason="the demo extra is not installed")
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(c.outputs or c.execution_count for c in book.cells if c.cell_type == "code")
