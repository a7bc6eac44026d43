"""The way into a pod, against a server of the test's own that speaks as the API server does."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from pathlib import Path

import pytest
from qwex_kueue.door import connect, shared

from qwex.door import DoorError

PORT = struct.pack("<H", 2222)


def frame(payload, kind=2):
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | kind, size])
    elif size < 1 << 16:
        head = bytes([0x80 | kind, 126]) + struct.pack("!H", size)
    else:
        head = bytes([0x80 | kind, 127]) + struct.pack("!Q", size)
    return head + payload


ANNOUNCED = frame(b"\0" + PORT) + frame(b"\1" + PORT)
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


@pytest.fixture
def door(tmp_path):
    """Makes the door of a server that answers so; what it was sent is in the list that comes with it."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    sent, threads = [], []

    def serve(answer, until=b"", then=b""):
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            heard = b""
            while b"\r\n\r\n" not in heard:
                heard += connection.recv(1 << 16)
            sent.append(heard.partition(b"\r\n\r\n")[0].decode())
            data = heard.partition(b"\r\n\r\n")[2]
            for piece in answer:
                connection.sendall(piece)
            while until and until not in data and (more := connection.recv(1 << 16)):
                data += more
            connection.sendall(then)
            sent.append(data)

    def make(*answer, until=b"", then=b""):
        threads.append(threading.Thread(target=serve, args=(answer, until, then)))
        threads[-1].start()
        server = f"http://127.0.0.1:{listener.getsockname()[1]}"
        content = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": {"token": "secret"}}],
        }
        (tmp_path / "config").write_text(json.dumps(content))
        return {"kubeconfig": str(tmp_path / "config"), "namespace": "team", "pod": "qwex-train-0"}, sent

    yield make
    for thread in threads:
        thread.join()
    listener.close()


def relayed(tunnel, given=None):
    """What the tunnel gave; what it is given stays open unless there is some."""
    inside, outside = os.pipe(), os.pipe()
    if given:
        os.write(inside[1], given)
    found = []

    def read():
        while data := os.read(outside[0], 1 << 16):
            found.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        tunnel.relay(inside[0], outside[1])
    finally:
        for fd in (outside[1], *inside):
            os.close(fd)
        reader.join()
        os.close(outside[0])
    return b"".join(found)


def test_it_asks_for_the_pods_port_with_the_kubeconfigs_token(door):
    described, sent = door(SWITCHING, ANNOUNCED)
    relayed(connect(described, 2222))
    assert sent[0].startswith("GET /api/v1/namespaces/team/pods/qwex-train-0/portforward?ports=2222 HTTP/1.1")
    assert "Sec-WebSocket-Protocol: v4.channel.k8s.io" in sent[0]
    assert "Authorization: Bearer secret" in sent[0]


@pytest.mark.parametrize("size", [1, 125, 126, 65535, 65536, 300_000])
def test_bytes_arrive_whole_in_frames_of_any_size(door, size):
    data = os.urandom(size)
    described, _ = door(SWITCHING, ANNOUNCED, frame(b"\0" + data))
    assert relayed(connect(described, 2222)) == data


def test_frames_may_come_in_any_pieces(door):
    whole = SWITCHING + ANNOUNCED + frame(b"\0hello ") + frame(b"\0there")
    described, _ = door(*(bytes([each]) for each in whole))
    assert relayed(connect(described, 2222)) == b"hello there"


def test_what_is_given_is_sent_as_data(door):
    described, sent = door(SWITCHING, ANNOUNCED, until=b"ssh-2.0")
    relayed(connect(described, 2222), b"ssh-2.0")
    assert sent[1] == bytes([0x82, 0x80 | 8]) + bytes(4) + b"\0ssh-2.0"


def test_a_ping_is_answered(door):
    described, sent = door(SWITCHING, ANNOUNCED, frame(b"you there?", 9), until=b"you there?")
    relayed(connect(described, 2222))
    assert sent[1] == bytes([0x8A, 0x80 | 10]) + bytes(4) + b"you there?"


def test_a_close_ends_it(door):
    described, _ = door(SWITCHING, ANNOUNCED, frame(b"\0bye"), frame(b"", 8))
    assert relayed(connect(described, 2222)) == b"bye"


@pytest.mark.parametrize(("said", "is_deaf"), [("connection refused", True), ("the pod has ended", False)])
def test_a_port_where_nobody_listens_is_said(door, said, is_deaf):
    described, _ = door(SWITCHING, ANNOUNCED, frame(b"\1" + said.encode()))
    with pytest.raises(DoorError, match=said) as raised:
        relayed(connect(described, 2222))
    assert raised.value.nobody_listens is is_deaf


def test_what_it_is_given_waits_afterwards_as_before(door):
    described, _ = door(SWITCHING, ANNOUNCED)
    inside, outside = os.pipe(), os.pipe()
    connect(described, 2222).relay(inside[0], outside[1])
    assert os.get_blocking(inside[0])
    assert os.get_blocking(outside[1])
    for fd in (*inside, *outside):
        os.close(fd)


@pytest.mark.parametrize(
    ("status", "said", "absent"),
    [
        ("401 Unauthorized", "credentials", False),
        ("403 Forbidden", "pods/portforward in the namespace team", False),
        ("404 Not Found", "does not run", True),
        ("500 Internal Server Error", "500", True),
    ],
)
def test_a_refusal_is_a_sentence(door, status, said, absent):
    described, _ = door(f"HTTP/1.1 {status}\r\n\r\n{{}}".encode())
    with pytest.raises(DoorError, match=said) as refused:
        connect(described, 2222)
    assert refused.value.absent is absent


def test_a_server_that_is_away_is_said(door):
    described, _ = door(SWITCHING, ANNOUNCED)
    relayed(connect(described, 2222))
    file = Path(described["kubeconfig"])
    content = json.loads(file.read_text())
    content["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    file.write_text(json.dumps(content))
    with pytest.raises(DoorError, match="cannot be reached") as raised:
        connect(described, 2222)
    assert not raised.value.nobody_listens
    content["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:none"
    file.write_text(json.dumps(content))
    with pytest.raises(DoorError, match="cannot be reached"):
        connect(described, 2222)


def test_one_that_speaks_something_else_is_said(door):
    described, _ = door(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    with pytest.raises(DoorError, match="no HTTP"):
        connect(described, 2222)


def test_who_has_said_all_still_hears_the_answer(door):
    described, _ = door(SWITCHING, ANNOUNCED, until=b"all", then=frame(b"\0answer"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"all")
        ours.shutdown(socket.SHUT_WR)
        out = os.dup(theirs.fileno())
        connect(described, 2222).relay(theirs.fileno(), out)
        os.close(out)
        assert ours.recv(100) == b"answer"


def test_who_is_gone_ends_it_though_the_machine_says_nothing(door):
    described, _ = door(SWITCHING, ANNOUNCED, until=b"never")
    inside, outside = os.pipe(), os.pipe()
    os.close(inside[1])
    os.close(outside[0])
    connect(described, 2222).relay(inside[0], outside[1])
    os.close(inside[0])
    os.close(outside[1])


def test_what_is_shared_of_it_holds_elsewhere_too():
    door = {"kubeconfig": "/home/ada/.kube/config", "context": "mine", "server": "https://k:6443", "namespace": "team"}
    found, needs = shared({**door, "pod": "qwex-train-0", "port": 2222, "home": "/home/dev"})
    assert found == {
        "server": "https://k:6443",
        "namespace": "team",
        "pod": "qwex-train-0",
        "port": 2222,
        "home": "/home/dev",
    }
    assert needs == "get and create pods/portforward in the namespace team of https://k:6443"


@pytest.mark.parametrize(
    "wrong", [{"pod": "../../secrets"}, {"namespace": "team/pods"}, {"pod": ""}, {"server": "a\nb"}, {"home": "--x"}]
)
def test_what_somebody_else_wrote_is_no_path(wrong):
    with pytest.raises(DoorError):
        shared({"server": "https://k", "namespace": "team", "pod": "qwex-train-0", **wrong})
