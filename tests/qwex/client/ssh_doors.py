"""Ways into machines that are none: the proxy that ssh starts imports them by name."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from types import SimpleNamespace

import qwex.client
from qwex.client.ssh import proxy
from qwex.door import DoorError
from qwex.machines import MachineState
from qwex.relay import SocketTunnel


def sshd(door, port):
    """A server of its own for this connection."""
    if "pid" in door:
        with open(door["pid"], "w") as file:
            file.write(str(os.getpid()))
    ours, theirs = socket.socketpair()
    with theirs:
        subprocess.Popen(door["command"], stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
    return SocketTunnel(ours)


def echo(door, port):
    """Says the port, then what it hears in capitals once that has ended."""
    return sshd({"command": ["sh", "-c", f"echo {port}; tr a-z A-Z"]}, port)


def absent(door, port):
    raise DoorError("there is no pod of that\n name", absent=True)


def stopped(door, port):
    """The controller says that the machine is stopped."""
    _says(MachineState.STOPPED)


def failed(door, port):
    """The controller says that it cannot run."""
    _says(MachineState.FAILED)


def waits(door, port):
    """The controller says that it waits."""
    _says(MachineState.QUEUED)


def _says(state):
    _answer(lambda name: SimpleNamespace(name=name, state=state, reason="", message="", door={}))
    absent({}, 0)


def silent(door, port):
    """The controller says nothing."""
    proxy._ASK_SECONDS = 0.01
    _answer(lambda name: signal.pause() or signal.pause())
    absent(door, port)


def _answer(machine):
    qwex.client.Client = lambda *_, start: SimpleNamespace(machine=machine)


def broken(door, port):
    raise DoorError("the cluster at 10.0.0.1 does not answer")


def bug(door, port):
    return door["nothing"]
