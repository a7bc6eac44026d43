"""``qwex machine kernel``: a machine in Jupyter's list of kernels."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from qwex.cli import exits
from qwex.cli.command import JSON, MACHINE, Command, Flag, Given
from qwex.cli.connect import client
from qwex.cli.screen import note, print_json, say
from qwex.client import kernelspecs
from qwex.client.ssh import files, setup
from qwex.errors import BackendUnavailable, ConfigError, Conflict
from qwex.machines import MachineState

if TYPE_CHECKING:
    from pathlib import Path

    from qwex.machines import MachineRecord

__all__ = ["COMMAND"]

#: What a Python ends with that has no such module, and a shell that has no such program.
_NO_MODULE, _NO_PROGRAM = 1, (126, 127)
#: Where ipykernel is put, below the home, when the image's Python is not to be changed.
_VENV = ".local/share/qwex/kernel"


def _kernel(given: Given) -> int:
    connection, folder = client(), setup.folder()
    record = connection.machine(given["name"])
    setup.learn(folder, record)
    files.identity(folder)
    # The shell of the machine would not take a quoted ~ for the home, which is where it starts.
    python = (given["python"] or kernelspecs.python_of(record.name)).removeprefix("~/")
    runs = record.state is MachineState.RUNNING
    if given["install"]:
        if not runs:
            raise Conflict(
                f"{record.name} does not run: {record.state.value}. Start it: qwex machine start {record.name}"
            )
        python = _bring(folder, record, python)
    elif runs:
        _check(folder, record, python, named=bool(given["python"]))
    file = kernelspecs.install(folder, record.name, python)
    if given["json"]:
        print_json({"kernel": kernelspecs.spec_name(record.name), "file": str(file), "python": python})
        return exits.OK
    say(f'Jupyter lists "Python ({record.name})", which runs {python} there')
    say(f"  file     {file}")
    return exits.OK


def _check(folder: Path, record: MachineRecord, python: str, *, named: bool) -> None:
    """Say what is missing there.

    Raises:
        ConfigError: the Python that was ``named`` is not there.
    """
    code = _has_ipykernel(folder, record, python)
    if code == _NO_MODULE:
        note(f"{python} there has no ipykernel yet. Install it with: qwex machine kernel {record.name} --install")
    elif code in _NO_PROGRAM:
        missing = f"there is no {python} in {record.name}"
        if named:
            raise ConfigError(f"{missing}. Its sessions begin in the home; a path counts from there.")
        note(f"{missing}. Name another with: qwex machine kernel {record.name} --python PATH")


def _bring(folder: Path, record: MachineRecord, python: str) -> str:
    """Have ipykernel there, beside that Python in a folder of its own unless that is one; the Python that has it.

    Raises:
        BackendUnavailable: it could not be installed; what was tried has said why.
    """
    if _has_ipykernel(folder, record, python) == 0:
        return python
    given, venv = shlex.quote(python), f"{_VENV}/bin/python"
    if _ran(folder, record, f"{given} -c 'import sys; sys.exit(sys.prefix == sys.base_prefix)'") == 0:
        made, venv = "", python
    else:
        made = f"{given} -m venv --system-site-packages {_VENV} && "
    note(f"installing ipykernel in {record.name}")
    if _ran(folder, record, f"{made}{shlex.quote(venv)} -m pip install ipykernel", shown=True):
        raise BackendUnavailable(
            f"ipykernel could not be installed in {record.name}. Install it there in your own way, and name the Python "
            f"that has it with: qwex machine kernel {record.name} --python PATH"
        )
    return venv


def _has_ipykernel(folder: Path, record: MachineRecord, python: str) -> int:
    return _ran(folder, record, f"{shlex.quote(python)} -c 'import ipykernel'")


def _ran(folder: Path, record: MachineRecord, command: str, *, shown: bool = False) -> int:
    """The exit code of the command there."""
    words = ["ssh", "-F", os.fspath(folder / "config"), record.host, command]
    out = None if shown else subprocess.DEVNULL
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False).returncode
    except FileNotFoundError:
        raise ConfigError(
            "there is no program ssh; install OpenSSH's client (Debian: apt install openssh-client)"
        ) from None


COMMAND = Command(
    "have Jupyter list a kernel that runs there; new machines are listed without it",
    _kernel,
    (MACHINE,),
    (
        Flag("python", "--python", "the Python there (default what its sessions find)", "", str, metavar="PATH"),
        Flag("install", "--install", "install ipykernel there if it is missing"),
        JSON,
    ),
    examples=("qwex machine kernel train --install", "qwex machine kernel train --python .venv/bin/python"),
)
