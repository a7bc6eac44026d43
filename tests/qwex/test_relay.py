"""Bytes both ways over a socket: ends, slow readers, and descriptors that others share."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from qwex.door import DoorError
from qwex.relay import SocketTunnel, _Relay


class Relay:
    """A relay in a thread, its pipes, and the machine's side of its socket."""

    def __init__(self):
        self.read, self.write_end = os.pipe()
        self.read_end, self.write = os.pipe()
        ours, self.machine = socket.socketpair()
        self.error = None
        self.thread = threading.Thread(target=self._run, args=(SocketTunnel(ours),))
        self.thread.start()

    def _run(self, tunnel):
        try:
            tunnel.relay(self.read, self.write)
        except DoorError as error:
            self.error = error

    def ended(self):
        self.thread.join(30)
        return not self.thread.is_alive()


@pytest.fixture
def relay():
    made = Relay()
    yield made
    made.machine.close()
    assert made.ended()
    for fd in (made.read, made.write_end, made.read_end, made.write):
        try:
            os.close(fd)
        except OSError:
            continue


def test_the_end_of_the_input_is_passed_on_and_the_answer_comes(relay):
    os.write(relay.write_end, b"question")
    os.close(relay.write_end)
    heard = b""
    while more := relay.machine.recv(100):
        heard += more
    assert heard == b"question"
    relay.machine.sendall(b"answer")
    assert os.read(relay.read_end, 100) == b"answer"
    assert relay.thread.is_alive()
    relay.machine.close()
    assert relay.ended()


def test_it_ends_with_the_machine_though_the_input_has_not_ended(relay):
    relay.machine.sendall(b"bye")
    relay.machine.close()
    assert relay.ended()
    assert os.read(relay.read_end, 100) == b"bye"


def test_it_ends_when_nobody_hears_it(relay):
    os.close(relay.read_end)
    assert relay.ended()


def test_a_slow_reader_gets_all_and_costs_nothing(monkeypatch, relay):
    woken = []
    ready = _Relay._ready
    monkeypatch.setattr(_Relay, "_ready", lambda self: woken.append(1) or ready(self))
    data = os.urandom(5_000_000)
    sender = threading.Thread(target=lambda: (relay.machine.sendall(data), relay.machine.close()))
    sender.start()
    heard = bytearray()
    while len(heard) < len(data):
        heard += os.read(relay.read_end, 1_000)
    sender.join()
    assert relay.ended()
    assert bytes(heard) == data
    # A pipe takes a page at a time when it is full.
    assert len(woken) < 3 * len(data) / 4096


def test_a_machine_that_does_not_read_gets_all_later(relay):
    data = os.urandom(5_000_000)
    sender = threading.Thread(target=lambda: (os.write(relay.write_end, data), os.close(relay.write_end)))
    sender.start()
    relay.machine.sendall(b"first")
    assert os.read(relay.read_end, 100) == b"first"
    heard = bytearray()
    while more := relay.machine.recv(100_000):
        heard += more
    assert bytes(heard) == data
    sender.join()


def test_the_last_words_of_a_machine_that_listens_no_more_arrive(relay):
    relay.machine.shutdown(socket.SHUT_RD)
    os.write(relay.write_end, b"x" * 10)
    relay.machine.sendall(b"last words")
    relay.machine.shutdown(socket.SHUT_WR)
    assert relay.ended()
    assert os.read(relay.read_end, 100) == b"last words"


def test_descriptors_block_again(relay):
    relay.machine.close()
    assert relay.ended()
    assert os.get_blocking(relay.read)
    assert os.get_blocking(relay.write)


def test_a_cut_connection_is_said():
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    theirs.close()  # at once, with a reset
    read, write = os.pipe()
    with pytest.raises(DoorError, match="the connection to the machine was cut"):
        SocketTunnel(ours).relay(read, write)
    os.close(read)
    os.close(write)


def test_input_from_a_file_and_one_descriptor_for_both(tmp_path):
    (tmp_path / "input").write_bytes(b"from a file")
    ours, machine = socket.socketpair()
    here, there = socket.socketpair()
    with open(tmp_path / "input", "rb") as file, machine, here, there:
        machine.sendall(b"hello")
        machine.shutdown(socket.SHUT_WR)
        SocketTunnel(ours).relay(file.fileno(), here.fileno())
        assert there.recv(100) == b"hello"
    ours, machine = socket.socketpair()
    here, there = socket.socketpair()
    with machine, here, there:
        thread = threading.Thread(target=SocketTunnel(ours).relay, args=(here.fileno(), here.fileno()))
        thread.start()
        there.sendall(b"up")
        assert machine.recv(100) == b"up"
        machine.sendall(b"down")
        assert there.recv(100) == b"down"
        there.shutdown(socket.SHUT_WR)
        assert machine.recv(100) == b""
        machine.close()
        thread.join(30)
        assert not thread.is_alive()
