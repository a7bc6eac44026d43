"""Servers as they are met: strange hosts, keys, too old, slow, none at all; and what is over MLflow's limits."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from mlflowserver import missing, mlflow_server
from postgres import missing as no_postgres
from postgres import server as postgres_server
from qwex_mlflow import limits
from qwex_mlflow.errors import Refused, Unanswered
from qwex_mlflow.rest import Rest
from qwex_mlflow.runs import Runs
from qwex_mlflow.settings import Place
from qwex_mlflow.tracker import MlflowTracker, Reference

from qwex.errors import InvalidSpec, TrackerUnavailable
from qwex.events import Event
from qwex.record import JobRecord
from qwex.spec import JobSpec, Source
from qwex.state import JobState
from qwex.testing import TrackerContract
from qwex.tracker import Found, TrackedJob, TrackerContext

anyio = pytest.mark.anyio


def runs_at(server, **place):
    return Runs(Rest(Place(server.uri, **place)))


def job_of(run_id="one-abc234", **spec):
    record = JobRecord(run_id, "one", "me", "script", JobState.RUNNING, "local", 1_700_000_000.0, queue="default")
    return TrackedJob(record, JobSpec(source=Source(kind="script", text="print(1)", name="one.py"), **spec))


class Answering:
    """A server that gives one answer to everything, and remembers what it was asked."""

    def __init__(self, status, body, kind="application/json", *, hold=None):
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                asked.append((self.command, self.path, dict(self.headers)))
                self.rfile.read(int(self.headers.get("content-length", 0)))
                if hold is not None:
                    hold.wait(30)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_PUT = do_GET  # noqa: N815

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class TestContract(TrackerContract):
    @pytest.fixture
    def tracker_factory(self, tmp_path, server, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        return lambda: MlflowTracker(TrackerContext(tmp_path))


class TestContractOfTheStoreOnThisMachine(TrackerContract):
    @pytest.fixture
    def tracker_factory(self, tmp_path, monkeypatch):
        if missing():
            pytest.skip(missing())
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return lambda: MlflowTracker(TrackerContext(tmp_path))


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (503, b"<html>busy", "cannot answer now"),
        (500, b'{"error_code": "INTERNAL_ERROR", "message": "database is locked"}', "database is locked"),
        (507, b"no space", "cannot answer now"),
        (404, b"not here", "no MLflow server, or too old"),
        (200, b"<html>welcome", "is no MLflow server"),
        (200, b"", "is no MLflow server"),
        (200, b"{}", "is no MLflow server"),
        (200, b"[]", "is no MLflow server"),
        (200, b'{"run": {"info": {}}}', "is no MLflow server"),
        (200, b'{"run": {"info": {"run_id": "x"}, "data": {"tags": 3}}}', "is no MLflow server"),
        (302, b"", "is no MLflow server"),
        (400, b"<html>bad request", "is no MLflow server"),
        (413, b"<html>too large", "is no MLflow server"),
        (401, b"who are you", "does not let qwex in"),
        (403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}', "does not let qwex in"),
        (403, b"Invalid Host header - possible DNS rebinding attack detected", "--allowed-hosts 127.0.0.1"),
    ],
)
def test_what_keeps_a_server_from_answering_is_for_later(status, body, said):
    with Answering(status, body) as server, pytest.raises(TrackerUnavailable, match=said):
        runs_at(server).get("x")


def test_a_file_that_is_too_large_for_a_server_is_left_out():
    with Answering(413, b"<html>too large") as server, pytest.raises(Refused, match="too large"):
        Rest(Place(server.uri)).put("a", b"b")


class Dripping:
    """A server that says one byte after the other, for ever."""

    def __init__(self, head, piece, pause):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._answer = head, piece, pause
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection):
        head, piece, pause = self._answer
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(head)
            while True:
                connection.sendall(piece)
                time.sleep(pause)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"])
def test_an_answer_that_drips_is_none(head, monkeypatch):
    monkeypatch.setattr("qwex_mlflow.rest._ANSWER", 0.5)
    with Dripping(head, b" ", 0.1) as server, pytest.raises(Unanswered, match="cannot be reached"):
        runs_at(server).get("x")


def test_an_answer_without_an_end_is_none(monkeypatch):
    monkeypatch.setattr("qwex_mlflow.rest._LARGEST", 1 << 20)
    with (
        Dripping(b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536, 0) as server,
        pytest.raises(TrackerUnavailable, match="more than 1,048,576 bytes"),
    ):
        runs_at(server).get("x")


def test_nobody_is_there():
    with Answering(200, b"{}") as server:
        pass
    with pytest.raises(TrackerUnavailable, match="cannot be reached"):
        runs_at(server).get("x")


def test_a_server_that_hangs_holds_up_no_job(recorded, monkeypatch):
    hold = threading.Event()
    with Answering(200, b"{}", hold=hold) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        jobs = [recorded.submit(JobSpec(source=Source(kind="script", text="print(1)", name="a.py"))) for _ in range(6)]
        for job in jobs:
            assert job.wait(60)
        assert {job.state for job in jobs} == {JobState.SUCCEEDED}
        (standing,) = recorded.trackers()
        assert standing.waiting == 6
        hold.set()


@pytest.mark.parametrize(
    ("code", "message", "missing"),
    [
        ("RESOURCE_DOES_NOT_EXIST", "Run with id=x not found", True),
        ("INVALID_PARAMETER_VALUE", "The run x must be in the 'active' state. Current state is deleted.", True),
        ("INVALID_PARAMETER_VALUE", "The experiment 7 must be in the 'active' state. Current state is deleted.", True),
        ("INVALID_PARAMETER_VALUE", "Invalid metric name: deleted,rows", False),
        ("BAD_REQUEST", "the table rows_deleted", False),
    ],
)
def test_what_was_deleted_is_told_from_what_has_the_word_in_it(code, message, missing):
    assert Refused(message, code).missing is missing


def test_a_refusal_is_final():
    body = json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Run with id=x not found"}).encode()
    with Answering(404, body) as server, pytest.raises(Refused) as refused:
        runs_at(server).get("x")
    assert refused.value.missing


@pytest.mark.parametrize(
    ("place", "header"),
    [
        ({"token": "abc"}, "Bearer abc"),
        ({"username": "ada", "password": "x:y"}, "Basic YWRhOng6eQ=="),
        ({}, None),
    ],
)
def test_it_says_who_asks(place, header):
    with Answering(200, b'{"run": {"info": {"run_id": "x"}}}') as server:
        runs_at(server, **place).get("x")
        assert server.asked[0][2].get("Authorization") == header


def test_a_connection_that_the_server_closed_is_made_anew(server):
    runs = runs_at(server)
    experiment = runs.experiment("kept")
    runs.transport._local.connection.sock.shutdown(2)
    assert runs.experiment("another") != experiment


def test_allowed_hosts():
    with mlflow_server("", "--allowed-hosts", "mlflow.example:5000") as strict:
        with pytest.raises(TrackerUnavailable, match=f"--allowed-hosts 127.0.0.1:{strict.port}"):
            runs_at(strict).experiment("one")
        strict.stop()
        strict._options = ("--allowed-hosts", f"127.0.0.1:{strict.port}")
        strict.start()
        assert runs_at(strict).experiment("one")


@anyio
async def test_without_proxied_artifacts_they_are_written_where_the_server_has_them(tmp_path, monkeypatch):
    with mlflow_server("", "--no-serve-artifacts") as direct:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", direct.uri)
        tracker = MlflowTracker(TrackerContext(tmp_path))
        job = job_of()
        job = replace(job, reference=(await tracker.begin(job, again=False)).reference)
        await tracker.record(job, [Event(2, "state", 1.0, data={"state": "QUEUED"})])
        await tracker.close()
        assert direct.files(direct.run_of(job.run_id))["code/one.py"] == b"print(1)"


@pytest.fixture
def victim(tmp_path):
    """A home folder with something hidden in it, and a link to that."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / ".ssh")
    return tmp_path


@pytest.mark.parametrize(
    "folder", [".ssh", ".ssh/1/r1/artifacts", "link/1/r1/artifacts", "x/../.ssh/1/r1/artifacts", "2/r1/artifacts", "a"]
)
def test_a_server_chooses_no_folder_to_write_to(victim, folder):
    info = {"run_id": "r1", "experiment_id": "1", "artifact_uri": f"{victim}/{folder}"}
    with Answering(200, json.dumps({"run": {"info": info}}).encode()) as server:
        assert not runs_at(server).upload("r1", "authorized_keys", b"mine")
    assert [path for path in victim.rglob("*") if path.is_file()] == []


def test_a_folder_of_a_runs_own_is_one_that_it_may_choose(victim):
    info = {"run_id": "r1", "experiment_id": "1", "artifact_uri": f"file://{victim}/mlruns/1/r1/artifacts"}
    with Answering(200, json.dumps({"run": {"info": info}}).encode()) as server:
        assert runs_at(server).upload("r1", "code/one.py", b"mine")
    assert (victim / "mlruns" / "1" / "r1" / "artifacts" / "code" / "one.py").read_bytes() == b"mine"


@anyio
@pytest.mark.skipif(bool(no_postgres()), reason=no_postgres())
async def test_on_postgresql(tmp_path, monkeypatch):
    with postgres_server() as url, mlflow_server(url) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        tracker = MlflowTracker(TrackerContext(tmp_path))
        job = job_of()
        job = replace(job, reference=(await tracker.begin(job, again=False)).reference)
        again = await tracker.begin(job_of(), again=True)
        assert again.reference == job.reference
        await tracker.end(replace(job, record=replace(job.record, state=JobState.FAILED, ended_at=1_700_000_009.0)))
        await tracker.close()
        run = server.run_of(job.run_id, "FAILED")
        assert (run.start_time, run.end_time) == (1_700_000_000_000, 1_700_000_009_000)


@pytest.fixture
def tracker(tmp_path, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    return MlflowTracker(TrackerContext(tmp_path))


async def begun(tracker, job):
    return replace(job, reference=(await tracker.begin(job, again=False)).reference)


@anyio
async def test_a_run_that_was_deleted_by_hand_is_left_alone(tracker, server):
    job = await begun(tracker, job_of("deleted-abc234"))
    run = Reference.loads(job.reference).run
    server.call("runs/delete", {"run_id": run})
    await tracker.record(job, [Event(3, "state", 1.0, data={"state": "RUNNING"})])
    await tracker.end(replace(job, record=replace(job.record, state=JobState.SUCCEEDED, ended_at=2.0)))
    assert server.call("runs/get", run_id=run)["run"]["info"]["lifecycle_stage"] == "deleted"
    await tracker.close()


@anyio
async def test_an_experiment_that_was_deleted_is_there_again_when_it_is_used(tracker, server):
    first = await begun(tracker, job_of("first-abc234", experiment="comes back"))
    experiment = Reference.loads(first.reference).experiment
    server.call("experiments/delete", {"experiment_id": experiment})
    second = await begun(tracker, job_of("second-abc234", experiment="comes back"))
    assert Reference.loads(second.reference).experiment == experiment
    assert server.run_of("second-abc234").experiment == experiment
    await tracker.close()


@anyio
async def test_what_is_too_long_or_odd_is_cut_and_says_so(tracker, server):
    odd = {"a" * 63: "x" * 9000, "plain": "y"}
    job = await begun(tracker, job_of("odd-abc234", tags=odd, experiment="odd / name \N{SNOWMAN}"))
    values = {"n" * 400: 1.0, "../up": 2.0, "loss, of \N{GREEK SMALL LETTER ALPHA}!": float("nan"), "inf": float("inf")}
    await tracker.record(job, [Event(9, "metrics", 5.0, data={"values": values, "step": 3})])
    run = server.run_of("odd-abc234")
    assert len(run.tags["a" * 63]) <= 8000
    assert run.tags["a" * 63].endswith("characters in all]")
    assert {len(key) for key in run.metrics if key.startswith("n")} == {250}
    assert run.metrics["up"] == 2.0
    await tracker.close()


@anyio
async def test_the_status_of_a_job_that_has_ended_comes_before_the_rest_of_its_story(tracker, server):
    job = await begun(tracker, job_of("early-abc234"))
    over = replace(job, record=replace(job.record, state=JobState.FAILED, ended_at=1_700_000_009.0))
    await tracker.ended(over)
    await tracker.record(over, [Event(3, "state", 1.0, data={"state": "RUNNING"})])
    run = server.run_of("early-abc234")
    assert (run.status, run.end_time) == ("FAILED", 1_700_000_009_000)
    assert tracker.place(job) == tracker.place(job_of("another-abc234")) == server.uri
    await tracker.close()


@anyio
async def test_files_that_a_server_does_not_take_now_come_later_and_hold_up_no_status(
    tracker, server, tmp_path, monkeypatch
):
    def away(self, path, data):
        raise TrackerUnavailable("no space", place=self.uri)

    packages = Event(3, "packages", 1.0, data={"packages": {"numpy": "2.0"}})
    (tmp_path / "log").write_text('{"type":"packages","ts":1.0,"attempt":1,"seq":2,"packages":{"numpy":"2.0"}}\n')
    job = replace(await begun(tracker, job_of("files-abc234")), log=tmp_path / "log", output=lambda most: "printed")
    over = replace(job, record=replace(job.record, state=JobState.FAILED, ended_at=time.time()))
    with monkeypatch.context() as patched:
        patched.setattr(Rest, "put", away)
        await tracker.record(job, [Event(2, "state", 1.0, data={"state": "QUEUED"}), packages])
        with pytest.raises(TrackerUnavailable, match="takes no files") as raised:
            await tracker.end(over)
        assert raised.value.place != server.uri
        run = server.run_of("files-abc234")
        assert (run.status, run.tags["qwex.state"]) == ("FAILED", "FAILED")
        assert "logs/output.txt" in run.tags["qwex.not_stored"]
    await tracker.end(over)
    run = server.run_of("files-abc234")
    assert "qwex.not_stored" not in run.tags
    stored = {"code/one.py", "environment/requirements.txt", "qwex/job.json", "logs/output.txt"}
    assert server.files(run).keys() == stored
    await tracker.close()


@anyio
async def test_a_run_that_may_still_be_made_is_not_made_twice(tracker, server, monkeypatch):
    def silent(self, *arguments):
        raise Unanswered("it takes too long")

    job = job_of("once-abc234")
    with monkeypatch.context() as patched:
        patched.setattr(Runs, "create", silent)
        with pytest.raises(Unanswered):
            await tracker.begin(job, again=False)
    with pytest.raises(TrackerUnavailable, match="may still make"):
        await tracker.begin(job, again=True)
    monkeypatch.setattr("qwex_mlflow.tracker._SETTLED", 0.0)
    await tracker.begin(job, again=True)
    assert len(server.of_job(job.run_id)) == 1
    await tracker.close()


@anyio
async def test_a_run_that_was_made_twice_is_deleted_once_it_is_known_which_is_the_jobs(tmp_path, server, monkeypatch):
    async def states(run_ids):
        return dict.fromkeys(run_ids, "SUCCEEDED")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    tracker = MlflowTracker(TrackerContext(tmp_path, states=states))
    job = await begun(tracker, job_of("twice-abc234", experiment="twice"))
    tracker._reconciler.look_soon(server.uri, Reference.loads(job.reference).experiment)
    own = Reference.loads(job.reference).run
    other = Reference.loads((await tracker.begin(replace(job, reference=""), again=False)).reference).run
    assert await tracker._reconciler.look() == 0
    assert len(server.of_job(job.run_id)) == 2
    await tracker.end(replace(job, record=replace(job.record, state=JobState.SUCCEEDED, ended_at=2.0)))
    await tracker._reconciler.look()
    assert [run.id for run in server.of_job(job.run_id)] == [own]
    assert server.call("runs/get", run_id=other)["run"]["info"]["lifecycle_stage"] == "deleted"
    await tracker.close()


@anyio
async def test_after_a_restart_what_an_earlier_controller_left_is_mended(tmp_path, server, monkeypatch):
    async def states(run_ids):
        return dict.fromkeys(run_ids, "FAILED")

    monkeypatch.setattr("qwex_mlflow.reconciling._SOON", 0.0)
    first = MlflowTracker(TrackerContext(tmp_path))
    elsewhere = {"MLFLOW_TRACKING_URI": server.uri}
    job = await begun(first, job_of("left-abc234", experiment="left", env=elsewhere))
    first._reconciler.look_soon(server.uri, Reference.loads(job.reference).experiment)
    await first.close()
    second = MlflowTracker(TrackerContext(tmp_path, states=states))
    await second.start()
    await asyncio.to_thread(server.run_of, "left-abc234", "FAILED")
    await second.close()


@anyio
async def test_many_metrics_go_in_few_requests(tracker, server):
    job = await begun(tracker, job_of("many-abc234"))
    events = [Event(n, "metrics", 5.0 + n, data={"values": {"loss": 1 / n}, "step": n}) for n in range(1, 2501)]
    await tracker.record(job, events)
    await tracker.record(job, events)
    found = server.call("metrics/get-history", run_id=server.run_of("many-abc234").id, metric_key="loss")["metrics"]
    assert [each["step"] for each in found] == list(range(1, 2501))
    await tracker.close()


@anyio
async def test_find(tracker, server):
    job = await begun(tracker, job_of("found-abc234", experiment="searched"))
    await tracker.record(job, [Event(9, "metrics", 5.0, data={"values": {"found": 0.5}})])
    assert (await tracker.find("metrics.found > 0.4 and metrics.found < 0.6")).run_ids == ["found-abc234"]
    assert await tracker.find("metrics.found > 0.6") == Found([])
    with pytest.raises(InvalidSpec, match="where"):
        await tracker.find("what is this")
    assert (await tracker.find(" AND ".join(["metrics.found > 0.4"] * 50))).run_ids == ["found-abc234"]
    with pytest.raises(InvalidSpec, match="at most 50"):
        await tracker.find(" and ".join(["metrics.found > 0.4"] * 51))
    await tracker.close()


@anyio
async def test_a_server_that_hangs_holds_up_no_search_and_no_other_server(tracker, server, monkeypatch):
    monkeypatch.setattr("qwex_mlflow.tracker._SEARCH", 2.0)
    await begun(tracker, job_of("here-abc234", experiment="searched"))
    with Dripping(b"HTTP/1.1 200 OK\r\n", b" ", 0.1) as hanging:
        runs = tracker._servers.at(Place(hanging.uri))
        told = [asyncio.ensure_future(tracker._servers.ask(runs, runs.get, "x")) for _ in range(20)]
        found = await tracker.find("tags.`qwex.run_id` = 'here-abc234'")
        assert found.run_ids == ["here-abc234"]
        assert found.missing == f"{hanging.uri} does not answer"
        await begun(tracker, job_of("next-abc234"))
        await tracker.close()
    for each in told:
        each.cancel()


def test_what_hangs_keeps_no_process_from_ending():
    code = (
        "import asyncio, threading\nfrom qwex_mlflow.threads import Threads\n"
        "async def main():\n    await asyncio.wait_for(Threads(2, 'x').ask(threading.Event().wait), 0.2)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert "TimeoutError" in done.stderr


@anyio
async def test_of_a_server_that_is_away_it_is_said_that_jobs_may_be_missing(tracker, server):
    await begun(tracker, job_of("here-abc234", experiment="searched"))
    other = server.uri.replace("127.0.0.1", "localhost")
    await begun(tracker, job_of("there-abc234", env={"MLFLOW_TRACKING_URI": other}))
    transport = tracker._servers.known(other).transport
    transport._port = 9
    transport._local = threading.local()
    found = await tracker.find("tags.`qwex.run_id` = 'here-abc234'")
    assert found.run_ids == ["here-abc234"]
    assert "localhost" in found.missing
    assert "cannot be reached" in found.missing
    await tracker.close()


@anyio
async def test_a_note_of_the_codes_own_is_left_alone(tracker, server):
    for name, note, kept in (("noted", "my own", "my own"), ("plain", "", "qwex job")):
        job = await begun(tracker, job_of(f"{name}-abc234"))
        if note:
            run = Reference.loads(job.reference).run
            server.call("runs/set-tag", {"run_id": run, "key": "mlflow.note.content", "value": note})
        await tracker.end(replace(job, record=replace(job.record, state=JobState.SUCCEEDED, ended_at=2.0)))
        assert server.of_job(job.run_id)[0].tags["mlflow.note.content"].startswith(kept)
    await tracker.close()


@anyio
async def test_what_mlflow_refuses_costs_nothing_else(tracker, server):
    job = await begun(tracker, job_of("refused-abc234", experiment="e" * 600))
    runs, run = tracker._server(job), Reference.loads(job.reference).run
    runs.log(run, params={"lr": 1})
    good = [limits.metric(f"good{number}", number, 1.0, number) for number in range(30)]
    runs.log(run, [*good, {**good[0], "key": "no,name"}, *good], {"lr": 2, "depth": 3, "k" * 260: 1, "k" * 270: 2})
    found = server.run_of("refused-abc234")
    assert len(found.metrics) == 30
    assert (found.params["lr"], found.params["depth"], len(found.params)) == ("1", "3", 4)
    assert found.tags["qwex.not_logged"] == "no,name, lr"
    await tracker.close()


@anyio
async def test_numbers_and_texts_that_no_database_takes(tracker, server):
    job = await begun(tracker, job_of("numbers-abc234"))
    for id, (step, value) in enumerate([(2**63, 1.0), (1, 10**400), (2, "inf"), (3, "no number")], 9):
        await tracker.record(job, [Event(id, "metrics", 5.0, data={"values": {"large": value}, "step": step})])
    run = server.run_of("numbers-abc234")
    found = server.call("metrics/get-history", run_id=run.id, metric_key="large")["metrics"]
    assert {each["step"] for each in found} == {2**53, 1, 2}
    assert run.tags["qwex.cut"] == "steps beyond ±9007199254740992"
    assert limits.text("a\0b\ud800c", 10) == "ab?c"
    await tracker.close()


def test_batches_are_within_the_limits():
    assert [len(each) for each in limits.batches(range(2500), limits.METRICS)] == [1000, 1000, 500]


@pytest.mark.parametrize("given", ["", "/", "..", "a//b", "é" * 300, "x\n", "a:b", "x" * 240 + "/" + "y" * 20])
def test_names_are_such_as_mlflow_takes(given):
    validation = pytest.importorskip("mlflow.utils.validation")
    validation._validate_metric_name(limits.name(given))
    validation._validate_param_name(limits.name(given))
    validation._validate_tag_name(limits.name(given))
