"""A controller that is killed at any moment, and the next one: no job, no state and no line is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time

import pytest
from frames import states
from scripted import ScriptedBackend

from qwex.backend import Backend
from qwex.errors import BackendUnavailable

WHOLE = ["PENDING", "QUEUED", "RUNNING", "SUCCEEDED"]


def submit(daemon, *run_ids):
    for run_id in run_ids:
        assert daemon.call("POST", "/jobs", daemon.job(run_id))[0] == 201


def restart(daemon):
    daemon.kill()
    assert daemon.start() == "ready"


def texts(frames):
    return [data["text"] for _, event, data in frames if event == "stream"]


def test_waiting_and_running_jobs_go_on(daemon):
    submit(daemon, "waits", "runs")
    script = daemon.script("runs")
    script.say("RUNNING")
    daemon.wait("runs", "RUNNING")
    script.record("stream", name="stdout", text="before\n")
    restart(daemon)
    script.record("stream", name="stdout", text="after\n")
    script.finish("last\n")
    daemon.script("waits").say("RUNNING")
    daemon.wait("waits", "RUNNING")
    daemon.script("waits").finish("other\n")
    for run_id, printed in (("runs", ["before\n", "after\n", "last\n"]), ("waits", ["other\n"])):
        frames = daemon.frames(run_id)
        assert states(frames) == WHOLE
        assert texts(frames) == printed
        assert daemon.call("GET", f"/jobs/{run_id}")[2]["state"] == "SUCCEEDED"


def test_a_job_that_ended_meanwhile(daemon):
    submit(daemon, "one")
    script = daemon.script("one")
    script.say("RUNNING")
    daemon.wait("one", "RUNNING")
    daemon.kill()
    script.finish("a\n", "b\n", code=7, reason="ExitCode")
    daemon.start()
    record = daemon.wait("one", "FAILED")
    assert (record["exit_code"], record["peak_memory"], record["reason"]) == (7, 5_000_000, "ExitCode")
    assert texts(daemon.frames("one")) == ["a\n", "b\n"]


def test_a_job_that_ended_meanwhile_took_as_long_as_it_says(daemon):
    submit(daemon, "one")
    script = daemon.script("one")
    script.say("RUNNING")
    daemon.wait("one", "RUNNING")
    daemon.kill()
    script.record("exit", code=0, signal=None, reason="", message="", duration=0.001)
    script.say("SUCCEEDED", exit_code=0)
    daemon.start()
    record = daemon.wait("one", "SUCCEEDED")
    assert record["ended_at"] - record["started_at"] == pytest.approx(0.001, abs=1e-4)


def test_a_job_that_nobody_saw_run_ended_when_it_says(daemon):
    submit(daemon, "one")
    script = daemon.script("one")
    daemon.stop()  # so that the row has when the job was queued
    script.record("exit", code=0, signal=None, reason="", message="", duration=0.001)
    script.say("SUCCEEDED", exit_code=0)
    ended_at = json.loads(script.lines(1)[-1])["ts"]
    daemon.start()
    record = daemon.wait("one", "SUCCEEDED")
    assert (record["started_at"], record["ended_at"]) == pytest.approx((ended_at - 0.001, ended_at), abs=1e-4)


def test_a_job_that_cannot_be_taken_up_yet_keeps_no_other_from_it(daemon):
    submit(daemon, "one", "two")
    for run_id in ("one", "two"):
        daemon.script(run_id).say("RUNNING")
        daemon.wait(run_id, "RUNNING")
    daemon.script("one").hold("cancel")
    assert daemon.call("DELETE", "/jobs/one")[0] == 503
    daemon.kill()
    daemon.script("two").finish()
    daemon.start()
    daemon.wait("two", "SUCCEEDED")
    daemon.script("one").let_go("cancel")
    daemon.wait("one", "CANCELLED")


def test_a_job_that_the_backend_does_not_take_back_yet_keeps_no_other_from_it(daemon):
    run_ids = ("first", "second", "third")
    submit(daemon, *run_ids)
    for run_id in run_ids:
        daemon.script(run_id).say("RUNNING")
        daemon.wait(run_id, "RUNNING")
    daemon.stop()  # so that the rows have what the backend calls them
    daemon.script("second").hold("adopt")
    for run_id in run_ids:
        daemon.script(run_id).finish()
    daemon.start()
    daemon.wait("first", "SUCCEEDED")
    daemon.wait("third", "SUCCEEDED")
    daemon.script("second").let_go("adopt")
    daemon.wait("second", "SUCCEEDED")


@pytest.mark.anyio
async def test_what_was_taken_up_is_not_taken_up_again_for_those_behind_it(stage, monkeypatch):
    async with stage() as it:
        for run_id in ("one", "two"):
            await it.submit(run_id)
            it.script(run_id).say("RUNNING")
            await it.until(run_id, "RUNNING")
    monkeypatch.setattr("qwex.controller.adoption._MANY", 1)
    monkeypatch.setattr("qwex.controller.adoption._PAUSE", (0.01, 0.01))
    taken, tries, again = [], [], asyncio.Event()

    def adopt(self, native_id):
        taken.append(native_id)
        Backend.adopt(self, native_id)
        if len(taken) == 3:
            again.set()

    async def status(self, native_ids, status=ScriptedBackend.status):
        if native_ids == ["native-two"]:  # nobody else asks for this one alone
            tries.append(native_ids)
            if len(tries) == 1:
                raise BackendUnavailable("the place is away")
        return await status(self, native_ids)

    monkeypatch.setattr(ScriptedBackend, "adopt", adopt)
    monkeypatch.setattr(ScriptedBackend, "status", status)
    async with stage():
        await asyncio.wait_for(again.wait(), 10)
        assert taken == ["native-one", "native-two", "native-two"]


def test_killed_again_and_again_while_a_job_prints(daemon):
    submit(daemon, "one")
    script = daemon.script("one")
    script.say("RUNNING")
    daemon.wait("one", "RUNNING")
    for n in range(60):
        script.record("stream", name="stdout", text=f"{n}\n")
        if n % 20 == 10:
            restart(daemon)
    script.finish()
    frames = daemon.frames("one")
    assert texts(frames) == [f"{n}\n" for n in range(60)]
    assert states(frames) == WHOLE
    restart(daemon)
    assert daemon.frames("one") == frames


@pytest.mark.parametrize("known", [True, False])
def test_recorded_and_perhaps_handed_over(daemon, known):
    """Killed between the commit and the backend's answer: the row says PENDING."""
    (daemon.home / "scripted").mkdir(exist_ok=True)
    (daemon.home / "scripted" / "unavailable").touch()
    submit(daemon, "one")
    daemon.kill()
    (daemon.home / "scripted" / "unavailable").unlink()
    script = daemon.script("one")
    if known:
        script.folder.mkdir()
        script.say("RUNNING")
    daemon.start()
    if not known:
        daemon.wait("one", "QUEUED")
        script.say("RUNNING")
    daemon.wait("one", "RUNNING")
    script.finish("x\n")
    frames = daemon.frames("one")
    assert states(frames) == WHOLE
    assert texts(frames) == ["x\n"]


def test_a_job_its_backend_has_forgotten(daemon):
    submit(daemon, "runs", "waits")
    daemon.script("runs").say("RUNNING")
    daemon.wait("runs", "RUNNING")
    daemon.call("GET", "/jobs")  # rows are written when they are listed
    daemon.kill()
    for run_id in ("runs", "waits"):
        (daemon.script(run_id).folder / "status.json").unlink()
    daemon.start()
    record = daemon.wait("runs", "QUEUED", attempt=2)
    assert (record["attempt"], record["reason"]) == (2, "Retry")
    daemon.handed_over("waits")
    daemon.script("waits").say("RUNNING")
    assert daemon.wait("waits", "RUNNING")["attempt"] == 1


def test_a_job_its_backend_has_forgotten_and_the_row_never_knew(daemon):
    submit(daemon, "one")
    script = daemon.script("one")
    script.say("RUNNING")
    daemon.wait("one", "RUNNING")
    script.record("stream", name="stdout", text="first\n")
    daemon.printed("one", "first\n")
    daemon.stop()
    with sqlite3.connect(daemon.home / "controller.db") as rows:
        rows.execute("UPDATE jobs SET state = 'PENDING', native_id = NULL, queued_at = NULL")
    rows.close()
    (script.folder / "status.json").unlink()
    (script.folder / "events-1.jsonl").unlink(missing_ok=True)
    daemon.start()
    daemon.wait("one", "QUEUED", reason="Lost")
    script.say("RUNNING")
    script.finish("again\n")
    frames = daemon.frames("one")
    assert texts(frames) == ["first\n", "again\n"]
    assert states(frames)[:4] == ["PENDING", "QUEUED", "RUNNING", "QUEUED"]
    assert states(frames)[-1] == "SUCCEEDED"


def test_what_a_jobs_retries_have_used_up_is_in_its_log(daemon):
    """A kill may have kept it from the row."""
    assert daemon.call("POST", "/jobs", daemon.job("one", retries={"failures": 1}))[0] == 201
    script = daemon.script("one")
    script.say("RUNNING")
    script.finish(code=3, reason="ExitCode")
    daemon.wait("one", "QUEUED", attempt=2)
    daemon.handed_over("one", attempt=2)
    daemon.stop()
    with sqlite3.connect(daemon.home / "controller.db") as rows:
        rows.execute("UPDATE jobs SET state = 'RUNNING', attempt = 1, failures = 0")
    rows.close()
    daemon.start()
    script.say("RUNNING")
    script.finish(code=3, reason="ExitCode")
    assert daemon.wait("one", "FAILED")["attempt"] == 2


def test_preempted_while_nobody_watched(daemon):
    """The backend has counted on: what the log has of the attempt before is not read again."""
    submit(daemon, "one")
    script = daemon.script("one")
    script.say("RUNNING")
    script.record("stream", name="stdout", text="first\n")
    daemon.printed("one", "first\n")
    daemon.kill()
    script.record("exit", code=143)
    script.say("QUEUED", attempt=2, reason="Preempted", message="for a better one")
    daemon.start()
    record = daemon.wait("one", "QUEUED", attempt=2)
    assert (record["reason"], record["message"]) == ("Preempted", "for a better one")
    script.say("RUNNING")
    script.finish("second\n")
    frames = daemon.frames("one")
    assert texts(frames) == ["first\n", "second\n"]


def test_the_wish_to_cancel_outlives_the_kill(daemon):
    submit(daemon, "one")
    assert daemon.call("DELETE", "/jobs/one")[0] == 202
    daemon.kill()
    daemon.script("one").say("RUNNING")  # as if the backend had never heard of it
    daemon.start()
    assert daemon.wait("one", "CANCELLED")["reason"] == "CancelledByUser"


def test_a_log_ahead_of_its_row(daemon):
    """Killed between the record in the log and the commit of the row."""
    submit(daemon, "one")
    daemon.script("one").say("RUNNING")
    daemon.wait("one", "RUNNING")
    daemon.stop()
    log = next(daemon.home.glob("logs/*/one.jsonl"))
    now = {"ts": time.time(), "attempt": 1}
    exit = {"type": "exit", **now, "seq": 1, "code": 137, "duration": 0.001}
    end = {"type": "state", **now, "state": "FAILED", "reason": "Signal", "message": "m", "exit_code": 137}
    with open(log, "a") as file:
        file.writelines(json.dumps(said, separators=(",", ":")) + "\n" for said in (exit, end))
    daemon.start()
    record = daemon.call("GET", "/jobs/one")[2]
    assert (record["state"], record["reason"], record["exit_code"]) == ("FAILED", "Signal", 137)
    assert record["ended_at"] - record["started_at"] == pytest.approx(0.001, abs=1e-4)
    restart(daemon)
    assert daemon.call("GET", "/jobs/one")[2] == record


def test_thousands_wait_without_files(daemon):
    jobs = [daemon.job(f"job-{n}") for n in range(500)]
    assert daemon.call("POST", "/jobs/batch", {"jobs": jobs})[0] == 201
    restart(daemon)
    daemon.wait("job-499", "QUEUED")
    page = daemon.call("GET", "/jobs?state=queued&limit=1")[2]
    assert page["total"] == 500
    assert list(daemon.home.glob("logs/*/*")) == []


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"state","ts":1.0,"attempt":1,"seq":9,"state":"FAILED"}\n',
        b'{"type":"state","ts":1.0,"attempt":1,"state":"NOWHERE","reason":"","message":"","exit_code":null}\n',
        b'{"type":"exit","ts":1.0,"attempt":1,"seq":9,"code":77}\n',
        b'{"type":"value","ts":1.0,"attempt":1,"seq":9}\n',
    ],
)
def test_a_log_that_says_what_no_log_says_keeps_no_controller_from_starting(daemon, line):
    submit(daemon, "odd", "even")
    for run_id in ("odd", "even"):
        daemon.script(run_id).say("RUNNING")
        daemon.wait(run_id, "RUNNING")
    daemon.kill()
    log = daemon.home / "logs" / "dd" / "odd.jsonl"
    with log.open("ab") as file:
        file.write(line)
    assert daemon.start() == "ready"
    for run_id in ("odd", "even"):
        daemon.script(run_id).finish("last\n")
        daemon.wait(run_id, "SUCCEEDED")


def test_nothing_more_is_asked_of_an_attempt_that_was_read_whole(daemon, monkeypatch):
    """Its place may be gone by then, and would hold up the next."""
    run_id = "again"
    assert daemon.call("POST", "/jobs", daemon.job(run_id, retries={"failures": 1}))[0] == 201
    script = daemon.script(run_id)
    (script.folder / "tells-positions").touch()
    script.say("RUNNING")
    daemon.wait(run_id, "RUNNING")
    script.finish("first\n", code=3, reason="ExitCode")
    daemon.wait(run_id, "QUEUED", attempt=2)
    restart(daemon)
    daemon.handed_over(run_id, 2)
    script.say("RUNNING", attempt=2)
    daemon.wait(run_id, "RUNNING", attempt=2)
    script.finish("second\n")
    daemon.wait(run_id, "SUCCEEDED")
    assert script.notes()[0] == "after 0.0"
    assert set(script.notes()[1:]) == {"after 2.0"}
    assert texts(daemon.frames(run_id)) == ["first\n", "second\n"]
