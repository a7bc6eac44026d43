"""The process: one per home, private, gone when it is not needed, plain about what keeps it from starting."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import pytest
from daemons import Daemon

from qwex.controller import daemon as daemon_module


@pytest.fixture
def new(home, plugin):
    home.mkdir(parents=True)
    one = Daemon(home)
    yield one
    if one.process and one.process.poll() is None:
        one.kill()


def test_a_second_one_is_refused(daemon):
    second = Daemon(daemon.home)
    assert second.start() == ""
    assert second.process.wait(30) == 3
    assert daemon.call("GET", "/healthz")[0] == 200


def test_it_says_where_it_is(daemon):
    said = json.loads((daemon.home / "controller.json").read_text())
    assert said["pid"] == daemon.process.pid
    assert said["socket"] == str(daemon.home / "controller.sock")
    assert said["python"] == sys.executable


def test_everything_is_private(daemon):
    daemon.call("POST", "/jobs", {**daemon.job("one"), "origin": {"environment": {"A": "b"}}})
    daemon.call("DELETE", "/jobs/one")
    daemon.wait("one", "CANCELLED")
    for path in (daemon.home, daemon.home / "logs", daemon.home / "environments"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path == daemon.home
    for path in (daemon.home / "controller.sock", daemon.home / "controller.db", *daemon.home.glob("logs/*/*")):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


def test_sigterm_ends_streams_and_leaves_jobs(daemon):
    daemon.call("POST", "/jobs", daemon.job("one"))
    connection = daemon.connect()
    connection.request("GET", "/jobs/one/events")
    answer = connection.getresponse()
    assert answer.readline() == b"id: 1\n"
    daemon.process.send_signal(signal.SIGTERM)
    assert answer.read().endswith(b"\n\n")
    assert daemon.process.wait(30) == 0
    assert not (daemon.home / "controller.sock").exists()
    assert daemon.start() == "ready"
    assert daemon.call("GET", "/jobs/one")[2]["state"] == "QUEUED"


def test_it_ends_when_idle_and_not_before(home, new, monkeypatch):
    monkeypatch.setenv("QWEX_IDLE_TIMEOUT", "0.2")
    assert new.start() == "ready"
    connection = new.connect()
    connection.request("GET", "/events")
    answer = connection.getresponse()
    answer.readline()
    new.call("POST", "/jobs", new.job("one"))
    new.script("one").say("RUNNING")
    new.wait("one", "RUNNING")
    with pytest.raises(subprocess.TimeoutExpired):
        new.process.wait(0.6)
    new.script("one").finish()
    new.wait("one", "SUCCEEDED")
    connection.close()
    assert new.process.wait(30) == 0


def test_it_ends_under_those_who_only_look_on(home, new, monkeypatch):
    monkeypatch.setenv("QWEX_IDLE_TIMEOUT", "0.2")
    assert new.start() == "ready"
    connection = new.connect()
    connection.request("GET", "/events?keep=0")
    answer = connection.getresponse()
    assert answer.readline() == b": subscribed\n"
    assert new.process.wait(30) == 0
    answer.read()
    connection.close()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"garbage" * 1000, "cannot be used"), (b"SQLite format 3\0" + bytes(5000), "cannot be used")],
)
def test_a_damaged_database_is_named(new, content, said):
    (new.home / "controller.db").write_bytes(content)
    line = new.start()
    assert line.startswith("error: ")
    assert str(new.home / "controller.db") in line
    assert said in line
    assert new.process.wait(30) == 1


def test_a_wrong_setting_is_named(new, monkeypatch):
    monkeypatch.setenv("QWEX_IDLE_TIMEOUT", "soon")
    assert "QWEX_IDLE_TIMEOUT" in new.start()
    assert new.process.wait(30) == 1


def test_a_home_whose_path_is_too_long_for_a_socket(home, plugin):
    long = home / ("x" * 120)
    long.mkdir(parents=True)
    one = Daemon(long)
    try:
        assert one.start() == "ready"
        path = (long / "controller.addr").read_text().strip()
        assert path.startswith(tempfile.gettempdir())
        assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
    finally:
        one.stop()


def test_a_dead_controllers_socket_is_no_obstacle(daemon):
    daemon.kill()
    assert (daemon.home / "controller.sock").exists()
    assert daemon.start() == "ready"
    assert daemon.call("GET", "/healthz")[0] == 200


def test_a_broken_plugin_does_not_keep_it_from_starting(home, new, monkeypatch):
    broken = home.parent / "site" / "qwex_broken-1.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: qwex-broken\nVersion: 1\n")
    (broken / "entry_points.txt").write_text("[qwex]\nbroken = qwex_broken\n")
    (home.parent / "site" / "qwex_broken.py").write_text("raise RuntimeError('no GPU today')\n")
    monkeypatch.setenv("QWEX_PLUGINS", "scripted,qwex_broken")
    assert new.start() == "ready"
    infos = {info["module"]: info for info in new.call("GET", "/plugins")[2]["plugins"]}
    assert "no GPU today" in infos["qwex_broken"]["error"]
    status, _, problem = new.call("POST", "/jobs", new.job("one", backend="broken"))
    assert (status, problem["code"]) == (500, "plugin-error")
    assert "no GPU today" in problem["detail"]


SERVE = """
import sys
from pathlib import Path
from qwex import config
from qwex.controller.daemon import serve
home, port, tokens = sys.argv[1:]
ready = lambda: print("ready", flush=True)
serve(config.load(home=home), port=int(port), token_file=Path(tokens) if tokens else None, on_ready=ready)
"""


@pytest.fixture
def shared(home, plugin, tmp_path):
    """A controller on a port; calls it as the user of a token."""
    tokens = tmp_path / "tokens"
    tokens.write_text("ann:ann-0123456789abcdef\nbob:bob-0123456789abcdef\n")
    tokens.chmod(0o600)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, str(home), str(port), str(tokens)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "ready\n"

    def call(method, path, user=None, body=None):
        headers = {"Authorization": f"Bearer {user}-0123456789abcdef"} if user else {}
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    call.port = port
    yield call
    process.terminate()
    process.wait(30)
    process.stdout.close()


def test_who_resets_the_connection_is_not_taken_for_the_owner(shared, home):
    """The address of a peer that has gone is not known; that does not make it local."""
    body = json.dumps({"run_id": "stolen", "spec": {"source": {"kind": "command"}, "args": ["true"]}}).encode()
    head = f"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for _ in range(200):
        with socket.create_connection(("127.0.0.1", shared.port)) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(head + body)
    assert shared("GET", "/jobs/stolen", "ann")[0] == 404


def test_a_shared_controller(shared, home):
    job = {
        "run_id": "one",
        "spec": {"source": {"kind": "command"}, "args": ["true"]},
        "origin": {"environment": {"A": "b"}},
    }
    assert shared("GET", "/healthz")[0] == 200
    for path in ("/jobs", "/counts", "/events", "/metrics", "/plugins", "/whoami", "/nowhere"):
        status, problem = shared("GET", path)
        assert (status, problem["code"]) == (401, "not-authorized")
    assert shared("GET", "/jobs", "eve")[0] == 401
    status, record = shared("POST", "/jobs", "ann", job)
    assert (status, record["user"]) == (201, "ann")
    (kept,) = (home / "environments").iterdir()
    assert "A" not in json.loads(kept.read_text())
    assert shared("GET", "/jobs?user=me", "ann")[1]["total"] == 1
    assert shared("GET", "/jobs?user=me", "bob")[1]["total"] == 0
    assert shared("GET", "/jobs/one", "bob")[0] == 200
    assert shared("GET", "/whoami", "bob")[1] == {"user": "bob", "own": False}
    others = [("GET", "/spec"), ("GET", "/events"), ("GET", "/logs"), ("GET", "/values/x"), ("DELETE", "")]
    for method, path in others:
        assert shared(method, f"/jobs/one{path}", "bob")[0] == 403
    assert shared("POST", "/jobs/one/resubmit", "bob", {"changes": {"name": "x"}})[0] == 403
    assert shared("DELETE", "/jobs/one", "ann")[0] == 202
    owner = Daemon(home)
    assert owner.call("GET", "/jobs/one/logs")[0] == 200


def test_serving_needs_tokens(home, plugin):
    command = [sys.executable, "-c", SERVE, str(home), "0", ""]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "--token-file" in done.stderr


def test_a_home_that_everybody_shares_is_refused_before_anything_is_written(tmp_path, capfd):
    (shared := tmp_path / "shared").mkdir()
    shared.chmod(0o1777)
    assert daemon_module.main(["--home", str(shared)]) == 1
    assert "others can write in the folder" in capfd.readouterr().err
    assert list(shared.iterdir()) == []
