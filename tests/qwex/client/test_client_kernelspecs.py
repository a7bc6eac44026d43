"""The kernels on machines in Jupyter's list, as Jupyter itself reads it."""

from __future__ import annotations

import json
import os

import pytest

from qwex.client import kernelspecs
from qwex.errors import ConfigError

manager = pytest.importorskip("jupyter_client.kernelspec", reason="the jupyter extra is not installed")


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "q" / "ssh"


def listed(data):
    kernels = data / "kernels"
    return sorted(os.listdir(kernels)) if kernels.exists() else []


def test_jupyter_reads_what_is_written(data, folder):
    kernelspecs.keep(folder, ["train", "eval-2"], add=True)
    assert listed(data) == ["qwex-machine-eval-2", "qwex-machine-train"]
    spec = manager.KernelSpecManager().find_kernel_specs()["qwex-machine-train"]
    read = manager.KernelSpec.from_resource_dir(spec)
    assert (read.display_name, read.language, read.interrupt_mode) == ("Python (train)", "python", "signal")
    assert read.metadata["kernel_provisioner"] == {"provisioner_name": "qwex-machine", "config": {"machine": "train"}}
    assert read.argv[-4:] == [str(folder), "train", "python3", "{connection_file}"]
    assert kernelspecs.is_listed("train")
    assert not kernelspecs.is_listed("other")


def test_machines_that_are_gone_go_and_none_comes_by_a_look(data, folder):
    kernelspecs.keep(folder, ["train"], add=True)
    kernelspecs.keep(folder, ["train", "eval"], add=False)
    assert listed(data) == ["qwex-machine-train"]
    kernelspecs.keep(folder, ["eval"], add=False)
    assert listed(data) == []


def test_the_python_stays_until_another_is_named(data, folder):
    kernelspecs.install(folder, "train", ".venv/bin/python")
    kernelspecs.keep(folder, ["train"], add=True)
    assert kernelspecs.python_of("train") == ".venv/bin/python"
    kernelspecs.install(folder, "train", "python3.12")
    assert kernelspecs.python_of("train") == "python3.12"


def test_what_is_not_ours_stays(data, folder, tmp_path):
    kernelspecs.keep(folder, ["train"], add=True)
    kernelspecs.keep(tmp_path / "other" / "ssh", ["eval"], add=True)
    for name, text in (("python3", '{"argv": []}'), ("qwex-machine-odd", "[1"), ("qwex-machine-list", '["metadata"]')):
        (data / "kernels" / name).mkdir()
        (data / "kernels" / name / "kernel.json").write_text(text)
    assert kernelspecs.uninstall(folder, dry_run=True) == [data / "kernels" / "qwex-machine-train" / "kernel.json"]
    assert "qwex-machine-train" in listed(data)
    kernelspecs.uninstall(folder)
    kernelspecs.forget(folder, ["eval", "odd"])
    assert listed(data) == ["python3", "qwex-machine-eval", "qwex-machine-list", "qwex-machine-odd"]


@pytest.mark.parametrize(
    "text",
    [
        "null",
        '{"metadata": null}',
        '{"metadata": [1]}',
        '{"metadata": {"qwex": null}}',
        '{"metadata": {"qwex": "x"}}',
        '{"metadata": {"qwex": {"folder": 1}}}',
        "[" * 100_000,
    ],
)
def test_an_odd_one_of_somebody_elses_is_left_alone(data, folder, text):
    kernelspecs.install(folder, "train")
    odd = data / "kernels" / "qwex-machine-odd" / "kernel.json"
    odd.parent.mkdir()
    odd.write_text(text)
    kernelspecs.keep(folder, ["train"], add=False)
    assert [file.parent.name for file in kernelspecs.uninstall(folder)] == ["qwex-machine-train"]
    assert odd.read_text() == text


@pytest.mark.parametrize("argv", ["null", "[1, 2, 3]", '["python", {}, "-m"]'])
def test_a_python_that_is_none_is_the_usual_one(data, folder, argv):
    kernelspecs.install(folder, "train").write_text(f'{{"argv": {argv}}}')
    assert kernelspecs.python_of("train") == kernelspecs.PYTHON


def test_a_folder_that_cannot_be_written_is_said(data, folder):
    data.write_text("")
    with pytest.raises(ConfigError, match=r"kernel\.json cannot be written: Not a directory"):
        kernelspecs.install(folder, "train")


def test_nobody_else_reads_where_the_machines_are(data, folder):
    file = kernelspecs.install(folder, "train")
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text())["metadata"]["qwex"] == {"folder": str(folder)}
