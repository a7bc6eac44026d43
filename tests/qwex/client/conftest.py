"""A client and, in a thread, the controller it talks to."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest
import uvicorn
from small_controllers import Scripted, Small

from qwex import config
from qwex.client import Client

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def small(home: Path):
    """A ``Small`` controller that listens where the user's own would."""
    home.mkdir(parents=True, mode=0o700)
    world = Small()
    server = uvicorn.Server(
        uvicorn.Config(world.app(), uds=str(home / "controller.sock"), log_level="error", lifespan="off")
    )
    started = threading.Event()
    startup = server.startup

    async def announced(sockets=None):
        await startup(sockets)
        started.set()

    server.startup = announced
    thread = threading.Thread(target=server.run)
    thread.start()
    assert started.wait(10)
    yield world
    server.should_exit = True
    server.force_exit = True
    thread.join()


@pytest.fixture
def client(small: Small):
    with Client(config.load(), start=False) as client:
        yield client


@pytest.fixture
def scripted(home: Path):
    """A ``Scripted`` controller that listens where the user's own would."""
    home.mkdir(parents=True, mode=0o700)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(home / "controller.sock"))
    server = Scripted(listener)
    yield server
    server.close()


@pytest.fixture
def scripted_client(scripted: Scripted):
    with Client(config.load(), start=False) as client:
        yield client
