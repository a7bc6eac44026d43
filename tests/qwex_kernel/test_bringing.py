"""``qwex machine kernel``: what is missing in a machine is said, or brought."""

from __future__ import annotations

import subprocess
import sys

import pytest

from qwex.cli import machinekernel
from qwex.errors import BackendUnavailable, ConfigError
from qwex.machines import MachineRecord, MachineState

TRAIN = MachineRecord("train-abc", "train", "me", "sshd", MachineState.RUNNING, 0.0)


@pytest.fixture
def bare(machine):
    """A Python without pip and ipykernel."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", machine.place / "bare"], check=True)
    return str(machine.place / "bare" / "bin" / "python")


def test_nothing_is_said_or_done_where_all_is_there(machine, capfd):
    machinekernel._check(machine.folder, TRAIN, sys.executable, named=True)
    assert machinekernel._bring(machine.folder, TRAIN, sys.executable) == sys.executable
    assert capfd.readouterr() == ("", "")


def test_what_is_missing_is_said(machine, bare, capfd):
    machinekernel._check(machine.folder, TRAIN, bare, named=False)
    machinekernel._check(machine.folder, TRAIN, "python4", named=False)
    said = capfd.readouterr().err
    assert "has no ipykernel yet. Install it with: qwex machine kernel train --install" in said
    assert "there is no python4 in train. Name another with: qwex machine kernel train --python PATH" in said


def test_a_python_that_was_named_and_is_not_there_is_refused(machine):
    with pytest.raises(ConfigError, match="there is no python4 in train"):
        machinekernel._check(machine.folder, TRAIN, "python4", named=True)


def test_what_cannot_be_brought_is_said_with_what_was_tried(machine, bare, capfd):
    with pytest.raises(BackendUnavailable, match="Install it there in your own way"):
        machinekernel._bring(machine.folder, TRAIN, bare)
    assert "No module named pip" in capfd.readouterr().err
