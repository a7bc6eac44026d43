"""Handles on jobs: like futures, blocking and awaited."""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
import threading

import pytest

from qwex.client import AsyncClient, AsyncJob, AsyncJobs, Client
from qwex.client.face import drive
from qwex.client.files import Source
from qwex.errors import InvalidSpec, JobCancelled, JobFailed, JobNotDone, NotFound, RemoteError
from qwex.events import encode
from qwex.record import JobRecord
from qwex.state import JobState

FRAMES = [{"filename": "Cell In[3]", "lineno": 2, "name": "<module>", "line": "int('x')"}]


def fail(small, ename="ValueError", evalue="bad", attempt=1, **more):
    small.add("f-1", "FAILED", reason="Exception", attempt=attempt, **more)
    lines = small.events["f-1"]
    for number in range(1, attempt + 1):
        error = {"ename": ename, "evalue": f"{evalue} {number}", "traceback": ["\x1b[31mTrace\x1b[0m", ename]}
        lines.insert(-1, encode("error", 1.0, number, **error, frames=FRAMES))


def test_a_functions_result(small, client):
    small.add("f-1", kind="function")
    small.values["f-1", "return"] = pickle.dumps({"a": 1})
    job = client.job("f-1")
    assert job.result() == {"a": 1}
    assert job.result() is job.result()
    assert job.exception() is None


def test_a_cells_outputs(small, client):
    small.add("c-1", outputs=["x", "y"])
    small.values.update({("c-1", "x"): pickle.dumps(1), ("c-1", "y"): pickle.dumps(2)})
    assert client.job("c-1").result() == {"x": 1, "y": 2}
    assert client.job("c-1").value("y") == 2


def test_a_job_without_outputs(small, client):
    small.add("c-1")
    assert client.job("c-1").result(timeout=5) is None


def test_the_jobs_own_error_is_raised(small, client):
    fail(small, attempt=2)
    job = client.job("f-1")
    with pytest.raises(RemoteError, match="ValueError: bad 2") as caught:
        job.result()
    error = caught.value
    assert (error.ename, error.evalue, error.run_id, error.frames) == ("ValueError", "bad 2", "f-1", FRAMES)
    assert "\x1b[31mTrace" in error.traceback[0]
    assert str(error.__cause__) == "\nTrace\nValueError"
    assert type(job.exception()) is type(error)


@pytest.mark.parametrize("kind", [ValueError, KeyError, OSError, ZeroDivisionError, FileNotFoundError])
def test_builtin_types_can_be_caught_as_such(small, client, kind):
    fail(small, kind.__name__)
    with pytest.raises(kind) as caught:
        client.job("f-1").result()
    assert isinstance(caught.value, RemoteError)
    assert str(caught.value) == f"{kind.__name__}: bad 1"


@pytest.mark.parametrize("ename", ["StopIteration", "UnicodeDecodeError", "OutOfMemoryError", "print", "SystemExit"])
def test_other_types_are_plain_remote_errors(small, client, ename):
    fail(small, ename)
    with pytest.raises(RemoteError, match=f"{ename}: bad 1") as caught:
        client.job("f-1").result()
    assert type(caught.value) is RemoteError


def test_other_failures_name_their_reason(small, client):
    small.add("f-1", "FAILED", reason="OutOfMemory", message="it used more than 4Gi.", exit_code=137)
    with pytest.raises(JobFailed, match=r"used more than 4Gi\. See what") as caught:
        client.job("f-1").result()
    assert (caught.value.reason, caught.value.exit_code) == ("OutOfMemory", 137)


def test_a_cancelled_job(small, client):
    small.add("c-1", "CANCELLED", reason="CancelledByUser")
    job = client.job("c-1")
    assert job.cancelled()
    assert job.cancel() is False
    for ask in (job.result, job.exception):
        with pytest.raises(JobCancelled):
            ask()


def test_time_is_over(small, client):
    small.add("r-1", "RUNNING")
    job = client.job("r-1")
    assert job.running()
    with pytest.raises(JobNotDone, match="RUNNING after 0 s") as caught:
        job.result(timeout=0)
    assert isinstance(caught.value, TimeoutError)


def test_state_is_asked_for_until_the_end(small, client):
    small.add("r-1", "QUEUED")
    job = client.job("r-1")
    small.jobs["r-1"]["state"] = "RUNNING"
    assert job.record.state is JobState.QUEUED
    assert job.state is JobState.RUNNING


def test_what_a_wait_heard_is_known(small, client):
    small.add("r-1", "QUEUED")
    job = client.job("r-1")
    small.events["r-1"].append(encode("state", 2.0, 1, state="RUNNING"))
    small.stays = True
    with pytest.raises(JobNotDone, match=r"RUNNING after 0\.2 s"):
        job.result(timeout=0.2)
    assert repr(job) == "<Job r-1 RUNNING>"
    assert job.record.started_at == 2.0


def test_a_notebook_shows_the_job_as_it_is_now(small, client):
    small.add("r-1", "QUEUED")
    job = client.job("r-1")
    small.add("r-1")
    assert repr(job) == "<Job r-1 QUEUED>"
    assert job._repr_mimebundle_()["text/plain"] == "<Job r-1 SUCCEEDED>"


def test_a_notebook_shows_what_is_known_where_nobody_answers(small, client):
    small.add("r-1", "QUEUED")
    job = client.job("r-1")
    del small.jobs["r-1"]
    assert "QUEUED" in job._repr_mimebundle_()["text/html"]


def test_something_that_is_no_job_is_refused_by_its_type(client):
    with pytest.raises(InvalidSpec, match="spec: a list; pass a JobSpec or its fields"):
        client.submit(["echo", "hi"])


def test_a_value_that_is_not_there(small, client):
    small.add("c-1", outputs=["x"])
    del small.jobs["c-1"]
    with pytest.raises(NotFound):
        client.job("c-1")


def test_done_callbacks(small, client):
    small.add("c-1")
    called = threading.Event()
    got = []
    job = client.job("c-1")
    job.add_done_callback(lambda job: (got.append(job), called.set()))
    assert called.wait(10)
    assert got == [job]


def test_a_failing_callback_is_logged(small, client, caplog):
    small.add("c-1")
    job = client.job("c-1")
    job._call_back(lambda job: 1 / 0)
    assert "a done callback of c-1 failed" in caplog.text


def test_await_in_a_running_loop_blocks_nothing(small, client):
    """Other coroutines go on while a job is awaited, and the blocking calls work there too."""
    small.add("r-1", "RUNNING")
    job = client.job("r-1")

    async def main():
        assert job.running()
        assert len(list(job.events(follow=False))) == 1
        awaited = asyncio.ensure_future(job)
        await asyncio.sleep(0)
        assert not awaited.done()
        small.add("r-1", "SUCCEEDED", kind="function")
        small.values["r-1", "return"] = pickle.dumps(7)
        return await awaited

    assert asyncio.run(main()) == 7


def test_an_asynchronous_client(small):
    async def main():
        async with AsyncClient(start=False) as client:
            job = await client.submit({"source": {"kind": "cell", "text": "1"}}, run_id="c-1")
            assert await job.wait()
            assert [event.type async for event in job.events()] == ["state", "state"]
            jobs = await client.submit_many([{"source": {"kind": "command"}, "args": ["true"]}] * 3)
            return await asyncio.gather(*jobs), await jobs.results(), (await client.list(limit=2)).total

    assert asyncio.run(main()) == ([None] * 3, [None] * 3, 4)


def test_a_client_may_speak_for_another_folder_and_interpreter(small):
    async def main():
        async with AsyncClient(start=False, cwd="/elsewhere", python="/other/python") as client:
            await client.submit({"source": {"kind": "command"}, "args": ["true"]})

    asyncio.run(main())
    origin = small.bodies[-1]["origin"]
    assert (origin["cwd"], origin["python"]) == ("/elsewhere", "/other/python")


def test_an_asynchronous_client_survives_its_loop(small):
    client = AsyncClient(start=False)
    for _ in range(2):
        assert asyncio.run(client.health())["status"] == "ok"


def test_jobs_are_a_sequence(small, client):
    jobs = client.submit_many([{"source": {"kind": "command", "name": f"c{n}"}, "args": ["true"]} for n in range(3)])
    assert [job.id.rpartition("-")[0] for job in jobs] == ["c0", "c1", "c2"]
    assert len(jobs[1:]) == 2
    assert jobs[-1] is list(jobs)[2]
    assert jobs.wait(5)
    assert jobs.results() == [None] * 3
    assert len(client.submit_many([])) == 0


def test_the_clients_side_travels_to_ones_own_controller_only(small, client, monkeypatch):
    monkeypatch.setenv("GREETING", "hello")
    monkeypatch.setenv("BROKEN", "\udcff")
    client.submit({"source": {"kind": "cell", "text": "1"}}, run_id="c-1")
    assert small.bodies[-1]["origin"]["environment"]["GREETING"] == "hello"
    assert "BROKEN" not in small.bodies[-1]["origin"]["environment"]
    assert (small.bodies[-1]["origin"]["cwd"], small.bodies[-1]["origin"]["python"]) == (os.getcwd(), sys.executable)
    assert small.bodies[-1]["spec"].keys() == {"source"}
    assert small.headers[-1]["idempotency-key"] == "c-1"


def test_blobs_are_sent_once(small, client):
    digest = client.put_blob(b"x" * 3_000_000)
    assert small.blobs == {digest: b"x" * 3_000_000}
    small.blobs[digest] = b"as it was"
    assert client.put_blob(b"x" * 3_000_000) == digest
    assert small.blobs[digest] == b"as it was"


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_a_file_is_sent_as_it_is_read(small, client, tmp_path, size):
    (tmp_path / "file").write_bytes(b"x" * size)
    assert small.blobs == {client.put_file(tmp_path / "file"): b"x" * size}


def test_a_file_that_gets_shorter_while_it_is_sent_is_an_error_and_one_that_grows_is_not(
    small, client, tmp_path, monkeypatch
):
    file = tmp_path / "file"
    measure = Source.measure

    def then(change):
        def measured(source):
            measure(source)
            change()

        monkeypatch.setattr(Source, "measure", measured)

    file.write_bytes(b"x" * 3_000_000)
    then(lambda: os.truncate(file, 1_500_000))
    with pytest.raises(InvalidSpec, match="file has become shorter while it was sent"):
        client.put_file(file)
    assert small.blobs == {}
    file.write_bytes(b"x" * 3_000_000)
    then(lambda: os.truncate(file, 4_000_000))
    assert small.blobs == {client.put_file(file): b"x" * 3_000_000}


def test_a_file_that_cannot_be_read(client, tmp_path):
    with pytest.raises(InvalidSpec, match="missing cannot be read: No such file"):
        client.put_file(tmp_path / "missing")


def test_what_fails_while_a_file_is_sent_is_not_said_of_the_file(small, client, tmp_path, monkeypatch):
    async def full(*_, **__):
        raise OSError("too many open files")

    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.setattr(client.inner.session, "call", full)
    with pytest.raises(OSError, match="too many open files"):
        client.put_file(tmp_path / "file")


def test_others_have_their_turn_while_a_file_is_looked_through(small, tmp_path, monkeypatch):
    turn, measure = threading.Event(), Source.measure

    def after_the_turn(source):
        assert turn.wait(30)
        measure(source)

    monkeypatch.setattr(Source, "measure", after_the_turn)
    (tmp_path / "file").write_bytes(b"x")

    async def main():
        async with AsyncClient(start=False) as client:
            sending = asyncio.create_task(client.put_file(tmp_path / "file"))
            await asyncio.sleep(0)
            turn.set()
            assert await sending in small.blobs

    asyncio.run(main())


def test_a_client_is_usable_after_close(small, client):
    client.close()
    assert client.health()["status"] == "ok"
    assert isinstance(client, Client)


def test_several_are_cancelled_so_that_none_of_them_starts_meanwhile():
    states = {"runs": "RUNNING", "urgent": "QUEUED", "old": "QUEUED", "ended": "FAILED", "new": "PENDING"}
    records = {
        run_id: JobRecord(run_id, "", "me", "cell", JobState(state), "local", float(at), priority=run_id == "urgent")
        for at, (run_id, state) in enumerate(states.items())
    }
    asked = []

    class Client:
        async def job(self, run_id):
            return AsyncJob(self, records[run_id])

        async def cancel(self, run_id):
            asked.append(run_id)
            return records[run_id]

    client = Client()
    drive(AsyncJobs([AsyncJob(client, record) for record in records.values()]).cancel())
    assert asked == ["new", "old", "urgent", "runs"]
