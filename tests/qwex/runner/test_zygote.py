"""The zygote's protocol and its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from qwex.jobfolder import BOOT, RUNNER

from .conftest import gone, inline, wait_until


class Zygote:
    def __init__(self, flavour="plain", linger="30"):
        self.folder = Path(tempfile.mkdtemp(prefix="qx", dir="/tmp"))
        self.path = self.folder / "z"
        argv = [sys.executable, "-c", BOOT, str(RUNNER), "zygote", "--socket", str(self.path)]
        argv += ["--flavour", flavour, "--linger", linger]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert self.process.stdout.readline() == b"ready\n"
        assert self.process.stdout.read() == b""

    def connect(self):
        return Connection(self.path)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(30)
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Connection:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rwb")

    def send(self, **message):
        self.file.write(json.dumps(message).encode() + b"\n")
        self.file.flush()

    def read(self):
        return json.loads(self.file.readline())

    def start(self, job):
        self.send(op="start", folder=str(job.path))
        return self.read()

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def zygote():
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture
def connection(zygote):
    connection = zygote.connect()
    yield connection
    connection.close()


def test_a_job_from_start_to_end(connection, job):
    job.write("script", "print('hi')\nraise SystemExit(3)")
    started = connection.start(job)
    exited = connection.read()
    start = job.of("start")[0]
    assert started == {
        "event": "started",
        "folder": str(job.path),
        "pid": start["pid"],
        "start_time": start["start_time"],
    }
    assert (exited["event"], exited["pid"]) == ("exited", start["pid"])
    assert os.waitstatus_to_exitcode(exited["status"]) == 3
    assert job.text() == "hi\n"


def test_many_jobs_at_once_and_everyone_is_told(zygote, connection, folders):
    other = zygote.connect()
    jobs = [folders().write("script", f"print({n})") for n in range(8)]
    for job in jobs:
        connection.send(op="start", folder=str(job.path))
    answers = [connection.read() for _ in range(16)]
    assert sorted(answer["event"] for answer in answers) == ["exited"] * 8 + ["started"] * 8
    assert [job.text() for job in jobs] == [f"{n}\n" for n in range(8)]
    assert {other.read()["folder"] for _ in jobs} == {str(job.path) for job in jobs}
    other.close()


def test_list(connection, job):
    started = connection.start(job.write("script", "import time\ntime.sleep(60)"))
    connection.send(op="list")
    listed = connection.read()
    assert listed["jobs"] == [{key: started[key] for key in ("folder", "pid", "start_time")}]
    assert listed["version"] == 1
    os.kill(started["pid"], signal.SIGTERM)
    assert connection.read()["event"] == "exited"


@pytest.mark.parametrize("line", [b"not json\n", b"[]\n", b'{"op":"dance"}\n', b'{"op":"start"}\n'])
def test_what_is_not_a_message(connection, line):
    connection.file.write(line)
    connection.file.flush()
    assert connection.read()["event"] == "error"
    connection.send(op="list")
    assert connection.read()["jobs"] == []


def test_the_socket_is_the_owners(zygote):
    assert stat.S_IMODE(zygote.path.stat().st_mode) == 0o600


def test_jobs_live_on_when_the_zygote_is_killed(zygote, connection, job):
    job.write("script", "print('up')\nimport pathlib\nwhile not pathlib.Path('go').exists(): pass\nprint('done')")
    connection.start(job)
    job.until_prints("up\n")
    zygote.process.kill()
    zygote.process.wait()
    (job.work / "go").touch()
    wait_until(lambda: job.exit, "the exit record")
    assert job.text() == "up\ndone\n"
    assert job.exit["code"] == 0


def test_the_spare_ends_with_the_zygote(zygote, connection, job):
    connection.start(job.write("script", "1"))
    assert connection.read()["event"] == "exited"
    children = Path(f"/proc/{zygote.process.pid}/task/{zygote.process.pid}/children")
    (spare,) = wait_until(lambda: children.read_text().split(), "the spare")
    zygote.process.kill()
    zygote.process.wait()
    wait_until(lambda: gone(int(spare)), "the end of the spare")


def test_a_killed_spare_is_replaced(zygote, connection, job):
    children = Path(f"/proc/{zygote.process.pid}/task/{zygote.process.pid}/children")
    (spare,) = wait_until(lambda: children.read_text().split(), "the spare")
    os.kill(int(spare), signal.SIGKILL)
    wait_until(lambda: gone(int(spare)), "the end of the spare")
    connection.start(job.write("script", "print('ran')"))
    assert connection.read()["event"] == "exited"
    assert job.text() == "ran\n"


def test_end_waits_for_the_jobs(zygote, connection, job):
    job.write("script", "import pathlib\nwhile not pathlib.Path('go').exists(): pass")
    connection.start(job)
    connection.send(op="end")
    assert zygote.process.poll() is None
    (job.work / "go").touch()
    assert connection.read()["event"] == "exited"
    assert zygote.process.wait(30) == 0
    assert not zygote.path.exists()


def test_it_ends_when_nobody_needs_it():
    zygote = Zygote(linger="0.1")
    assert zygote.process.wait(30) == 0
    assert not zygote.path.exists()
    zygote.close()


def test_it_ends_when_its_socket_is_gone(zygote, connection):
    zygote.path.unlink()
    connection.close()
    assert zygote.process.wait(30) == 0


def test_cells_share_nothing_in_a_zygote_with_ipython(folders):
    zygote = Zygote("ipython")
    connection = zygote.connect()
    first, second = folders(), folders()
    for job in (
        first.write("cell", "x = 1\n_"),
        second.write("cell", "sorted(set(globals()) & {'x', 'In', '_1'}), Out", execution_count=5),
    ):
        connection.start(job)
        connection.read()
    assert first.of("result")[0]["data"]["text/plain"] == "''"
    assert second.of("result")[0]["data"]["text/plain"] == "(['In'], {})"
    assert second.of("result")[0]["execution_count"] == 5
    connection.close()
    zygote.close()


def test_environment_and_folder_are_the_jobs(connection, job):
    (job.work / "theirs").mkdir()
    (job.work / "theirs" / "mine.py").write_text("print('found')")
    environment = job.path / "environment.json"
    environment.write_text(json.dumps({"PATH": os.environ["PATH"], "PYTHONPATH": "theirs", "ONLY": "this"}))
    job.write(
        "script",
        "import os, mine\nprint(os.getcwd(), os.environ['ONLY'], 'HOME' in os.environ)",
        environment=str(environment),
    )
    connection.start(job)
    connection.read()
    assert job.text() == f"found\n{job.work} this False\n"


def test_a_function_in_the_zygote(connection, job):
    job.write("function", inputs={"__function__": inline(divmod), "__call__": inline(((7, 2), {}))})
    connection.start(job)
    connection.read()
    assert job.value("return") == (3, 1)
