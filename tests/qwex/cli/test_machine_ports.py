"""``qwex machine port-forward``: real connections to real servers through the door of a machine."""

from __future__ import annotations

import os
import queue
import socket
import threading

import pytest

from qwex.cli.machineports import _of_port
from qwex.client.forwarding import Forwarding, Port, ports
from qwex.door import DoorError
from qwex.errors import InvalidSpec


class Server:
    """Answers each connection with what it heard in capitals, once that has ended."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = queue.Queue()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.put(connection)
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection:
            while data := connection.recv(1 << 18):
                connection.sendall(data.upper())

    def close(self):
        self.listener.close()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def forward(qwex, start, boxes):
    """Starts it for these ports of a machine that runs; the lines it says and the ports it listens on."""
    assert qwex("machine", "create", "train").code == 0

    def run(*words):
        process = start("machine", "port-forward", "train", *words)
        shown = [process.stdout.readline() for _ in words]
        return process, [int(line.split()[0].rpartition(":")[2]) for line in shown]

    return run


def free():
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def asked(port, data=b"hello"):
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(data)
        try:
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(1 << 18), b""))
        except OSError:  # nobody read what was sent
            return b""


def line_with(process, text):
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"it ended without {text!r}")


def test_several_ports_lead_into_the_machine_and_a_taken_one_is_another_here(forward, server):
    process, (taken, chosen, any_) = forward(str(server.port), f"{free()}:{server.port}", f"0:{server.port}")
    assert len({server.port, taken, chosen, any_}) == 4
    line_with(process, f"port {server.port} is taken here; {taken} is used for {server.port}")
    data = os.urandom(1_000_000).upper()
    assert [asked(port, data) for port in (taken, chosen, any_)] == [data] * 3
    process.send_signal(2)
    assert process.wait(30) == 130


def test_a_cut_connection_is_that_ones_end_alone(forward, server):
    _, (port,) = forward(f"0:{server.port}")
    with socket.create_connection(("127.0.0.1", port), 30) as first:
        first.sendall(b"a")
        assert first.recv(10) == b"A"
        server.open.get(timeout=30).shutdown(socket.SHUT_RDWR)
        assert first.recv(10) == b""
    assert asked(port) == b"HELLO"


def test_what_is_wrong_is_said_once_until_it_is_right(forward, server, qwex):
    process, (nothing, port) = forward(f"0:{free()}", f"0:{server.port}")
    assert asked(nothing, b"") == asked(nothing, b"") == b""
    line_with(process, "nothing listens on port")
    qwex("machine", "stop", "train")
    said = line_with(process, "stopped")  # and not the same of the port before it
    assert said == (
        "the machine train is stopped. Start it with: qwex machine start train. This goes on when it runs\n"
    )
    assert asked(port) == b""
    qwex("machine", "start", "train")
    assert line_with(process, "machine train") == "the machine train runs again\n"
    assert asked(port) == b"HELLO"


def test_a_cluster_that_refuses_is_not_a_port_where_nobody_listens():
    away = DoorError("the Kubernetes API server cannot be reached: [Errno 111] Connection refused")
    assert _of_port(Port(6006, 6006), "train", away, runs=True) == str(away)


def test_whatever_a_door_raises_is_told():
    told = queue.Queue()

    def dial(port):
        raise KeyError("clusters")

    forwarding = Forwarding(dial, lambda port, wrong: told.put(wrong))
    try:
        assert asked(forwarding.listen(Port(0, 80)).local) == b""
        assert "clusters" in str(told.get(timeout=30))
    finally:
        forwarding.close()


@pytest.mark.parametrize("word", ["", "x", "1:2:3", "0", "70000", "70000:80", "-1", "80:", "٣"])
def test_what_is_no_port(word):
    with pytest.raises(InvalidSpec, match="ports"):
        ports([word])


def test_ports():
    assert ports(["6006", "8080:80", "0:80"]) == [Port(6006, 6006), Port(8080, 80), Port(0, 80)]
