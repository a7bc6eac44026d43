"""How jobs move: order of records, new attempts, retries, ends."""

from __future__ import annotations

import asyncio

import pytest
from asked import ME
from frames import states
from scripted import ScriptedBackend

from qwex.controller.eventlog import EventLog
from qwex.controller.store import Filter
from qwex.errors import BackendUnavailable, InvalidSpec, NotAuthorized
from qwex.state import JobState, JobStatus

pytestmark = pytest.mark.anyio

WHOLE = ["PENDING", "QUEUED", "RUNNING", "SUCCEEDED"]


async def test_a_job_from_start_to_end(stage):
    async with stage() as it:
        record = await it.submit("one")
        assert (record.state, record.native_id, record.user) == (JobState.QUEUED, "native-one", "me")
        await it.run("one", "hello\n", "again\n")
        done = await it.until("one", "SUCCEEDED")
        assert (done.exit_code, done.peak_memory, done.cpu_time) == (0, 5_000_000, 0.5)
        assert done.created_at <= done.queued_at <= done.started_at <= done.ended_at
        frames = await it.events("one")
        assert states(frames) == WHOLE
        assert [id for id, _, _ in frames] == list(range(1, len(frames) + 1))
        assert await it.text("one") == "hello\nagain\n"


async def test_all_output_stands_before_the_end(stage):
    async with stage() as it:
        await it.submit("one")
        await it.run("one", *[f"{n}\n" for n in range(300)])
        types = [event for _, event, _ in await it.events("one")]
        assert types[-2:] == ["exit", "state"]
        assert types.count("stream") == 300


async def test_live_is_the_same_as_afterwards(stage):
    async with stage() as it:
        await it.submit("one")
        reading = asyncio.create_task(it.events("one", why=True))
        await it.run("one", "a\n", "b\n")
        live = [frame for frame in await reading if frame[1] != "why"]
        await it.until("one", "SUCCEEDED")
        assert live == await it.events("one", follow=False)
        assert await it.events("one", after=3) == live[3:]
        assert await it.events("one", after=99) == []
        assert await it.events("one", types=frozenset({b"stream"})) == [f for f in live if f[1] == "stream"]


async def test_preempted_and_run_again(stage):
    async with stage() as it:
        await it.submit("one")
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        script.record("stream", name="stdout", text="first\n")
        script.record("exit", code=143, signal="SIGTERM", reason="Preempted", message="")
        script.say("QUEUED", attempt=2, reason="Preempted", message="made room")
        record = await it.until("one", "QUEUED")
        assert (record.attempt, record.reason, record.started_at) == (2, "Preempted", None)
        await it.run("one", "second\n")
        await it.until("one", "SUCCEEDED")
        frames = await it.events("one")
        assert states(frames) == ["PENDING", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "SUCCEEDED"]
        texts = [data.get("text") or data.get("state") for _, event, data in frames if event in ("stream", "state")]
        assert texts[2:] == ["RUNNING", "first\n", "QUEUED", "RUNNING", "second\n", "SUCCEEDED"]


async def test_states_that_nobody_saw_are_not_invented_and_their_output_is_kept(stage):
    async with stage() as it:
        await it.submit("one")
        script = it.script("one")
        script.record("stream", name="stdout", text="first\n", attempt=1)
        script.record("exit", code=143, attempt=1)
        script.record("stream", name="stdout", text="second\n", attempt=2)
        script.record("exit", code=0, attempt=2)
        script.say("SUCCEEDED", attempt=2, exit_code=0)
        record = await it.until("one", "SUCCEEDED")
        assert record.attempt == 2
        assert await it.text("one") == "first\nsecond\n"


async def test_an_attempt_that_has_nothing_left_to_say_does_not_end_the_output(stage, monkeypatch):
    """A backend may have to look at a place before it knows that there is nothing."""
    output = ScriptedBackend.output

    async def with_a_look(self, native_id, after):
        yield b""
        async for lines in output(self, native_id, after):
            yield lines

    monkeypatch.setattr(ScriptedBackend, "output", with_a_look)
    async with stage() as it:
        await it.submit("one")
        await it.run("one", "said\n")
        await it.until("one", "SUCCEEDED")
        assert await it.text("one") == "said\n"


async def test_the_end_of_an_attempt_that_comes_late_ends_that_attempt_alone(stage, monkeypatch):
    """The backend has begun the next attempt before the records of this one arrive."""
    monkeypatch.setattr("qwex.controller.lifecycle._DRAIN_SECONDS", 0.0)
    async with stage() as it:
        await it.submit("one")
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        script.record("stream", name="stdout", text="first\n", attempt=1)
        script.say("QUEUED", attempt=2, reason="Preempted")
        await it.until("one", "QUEUED")
        script.record("exit", code=143, peak_memory=1, cpu_time=9.0, attempt=1)
        script.say("RUNNING", attempt=2)
        script.record("stream", name="stdout", text="second\n", attempt=2)
        script.record("exit", code=0, peak_memory=2, cpu_time=0.5, attempt=2)
        script.say("SUCCEEDED", attempt=2, exit_code=0)
        record = await it.until("one", "SUCCEEDED")
        lines = (await it.text("one")).splitlines()
        assert [line for line in lines if not line.startswith("[qwex]")] == ["first", "second"]
        assert "its end may be missing" in str(lines)
        assert (record.peak_memory, record.cpu_time) == (2, 0.5)


async def test_the_rest_of_an_attempt_is_waited_for_as_long_as_more_of_it_comes(stage, monkeypatch):
    monkeypatch.setattr("qwex.controller.lifecycle._DRAIN_SECONDS", 0.3)
    lines = ["first\n", "second\n", "third\n"]
    late = asyncio.Event()

    async def slowly(self, native_id, after, output=ScriptedBackend.output):
        async for chunk in output(self, native_id, after):
            for line in chunk.splitlines(keepends=True):
                await asyncio.wait([asyncio.create_task(late.wait())], timeout=0.2)
                yield line

    monkeypatch.setattr(ScriptedBackend, "output", slowly)
    async with stage() as it:
        await it.submit("one")
        script = it.script("one")
        for line in lines:
            script.record("stream", name="stdout", text=line)
        script.record("exit", code=143)
        script.say("QUEUED", attempt=2, reason="Preempted")
        await it.until("one", "QUEUED", reason="Preempted")
        assert await it.text("one") == "".join(lines)


async def test_a_job_that_went_back_to_its_queue_unseen_says_so(stage):
    async with stage() as it:
        await it.submit("one")
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        script.record("exit", code=143)
        script.say("RUNNING", attempt=2)
        await it.until("one", "RUNNING")
        script.finish()
        await it.until("one", "SUCCEEDED")
        story = [(data["state"], data["reason"]) for _, event, data in await it.events("one") if event == "state"]
        assert ("QUEUED", "Requeued") in story


async def test_what_keeps_an_admitted_job_from_running_is_in_its_record_as_long_as_it_does(stage):
    async with stage() as it:
        await it.submit("one")
        script = it.script("one")
        script.say("ADMITTED")
        await it.until("one", "ADMITTED")
        script.say("ADMITTED", reason="ImagePullBackOff", message="its image cannot be pulled")
        record = await it.until("one", "ADMITTED", reason="ImagePullBackOff")
        assert record.message == "its image cannot be pulled"
        await it.run("one", "said\n")
        record = await it.until("one", "SUCCEEDED")
        assert (record.reason, record.message) == ("", "")
        assert states(await it.events("one")) == ["PENDING", "QUEUED", "ADMITTED", "RUNNING", "SUCCEEDED"]


async def test_retry_on_failure(stage):
    async with stage() as it:
        await it.submit("one", retries={"failures": 1, "exit_codes": (3,)})
        await it.run("one", "first\n", code=3, reason="ExitCode", message="exit code 3")
        await it.until("one", "QUEUED")
        await it.handed_over("one", 2)
        await it.run("one", "second\n", code=3, reason="ExitCode")
        record = await it.until("one", "FAILED")
        assert (record.attempt, record.exit_code, record.reason) == (2, 3, "ExitCode")
        assert states(await it.events("one")) == ["PENDING", "QUEUED", "RUNNING", "QUEUED", "RUNNING", "FAILED"]
        assert await it.text("one") == "first\nsecond\n"


@pytest.mark.parametrize(
    ("retries", "end"),
    [
        ({"failures": 2, "exit_codes": (4,)}, {"reason": "ExitCode"}),
        ({"failures": 0}, {"reason": "Exception"}),
        ({"failures": 5}, {"reason": "StartFailed"}),
        ({"failures": 5, "infrastructure": 0}, {"reason": "Lost"}),
    ],
)
async def test_no_retry(stage, retries, end):
    async with stage() as it:
        await it.submit("one", retries=retries)
        await it.run("one", code=3, **end)
        assert (await it.until("one", "FAILED")).attempt == 1


async def test_lost_is_started_again_by_default(stage):
    async with stage() as it:
        await it.submit("one")
        it.script("one").say("RUNNING")
        await it.until("one", "RUNNING")
        it.script("one").say("FAILED", reason="Lost", message="its process vanished")
        record = await it.until("one", "QUEUED")
        assert (record.attempt, record.reason) == (2, "Retry")
        assert "vanished" in record.message


async def test_cancel(stage):
    async with stage() as it:
        await it.submit("one")
        await it.service.cancel("one", ME)
        record = await it.until("one", "CANCELLED")
        assert record.reason == "CancelledByUser"
        assert states(await it.events("one")) == ["PENDING", "QUEUED", "CANCELLED"]
        assert (await it.service.cancel("one", ME)).state is JobState.CANCELLED


async def ends_by_itself(self, native_id):
    """A cancel that the job does not notice."""


async def test_a_cancelled_job_is_not_retried(stage, monkeypatch):
    async with stage() as it:
        await it.submit("one", retries={"failures": 5})
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        script.record("exit", code=1)
        monkeypatch.setattr(ScriptedBackend, "cancel", ends_by_itself)
        await it.service.cancel("one", ME)
        script.say("FAILED", reason="Exception", exit_code=1)
        await it.until("one", "FAILED")


async def test_an_unreachable_backend_gets_its_jobs_later(stage, home):
    async with stage() as it:
        (home / "scripted" / "unavailable").touch()
        record = await it.submit("one")
        assert (record.state, record.reason) == (JobState.PENDING, "BackendUnavailable")
        assert "the place is away" in (await it.service.why("one")).summary
        (home / "scripted" / "unavailable").unlink()
        assert (await it.until("one", "QUEUED")).reason == ""


async def test_a_retry_that_an_unreachable_backend_gets_later_does_not_wait_for_it_any_more(stage, home):
    async with stage() as it:
        await it.submit("one", retries={"failures": 1})
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        (home / "scripted" / "unavailable").touch()
        script.finish(code=1, reason="ExitCode")
        await it.until("one", "QUEUED", reason="BackendUnavailable")
        (home / "scripted" / "unavailable").unlink()
        record = await it.until("one", "QUEUED", reason="")
        assert (record.attempt, record.message) == (2, "")


async def test_a_job_that_runs_does_not_say_that_it_waits_for_its_backend(stage, home):
    async with stage() as it:
        await it.submit("one")
        it.script("one").say("RUNNING")
        await it.until("one", "RUNNING")
        (home / "scripted" / "unavailable").touch()
        (job,) = it.service._parts.registry
        await it.service._parts.handover.again(job)
        record = await it.service.get("one")
        assert (record.state, record.reason, record.message) == (JobState.RUNNING, "", "")


async def test_a_wish_to_cancel_reaches_its_backend_later(stage, monkeypatch):
    async with stage() as it:
        monkeypatch.setattr("qwex.controller.cancelling._AGAIN", (0.01,))
        await it.submit("one")
        script = it.script("one")
        script.hold("cancel")
        for _ in range(2):
            with pytest.raises(BackendUnavailable, match="The wish is kept"):
                await it.service.cancel("one", ME)
        script.let_go("cancel")
        await it.until("one", "CANCELLED")


async def test_a_backend_that_fails_to_cancel_is_asked_again(stage, monkeypatch):
    """Whatever it fails with: an API server that has just begun refuses what it permits a moment later."""
    failures = [NotAuthorized("not yet"), RuntimeError("not as expected")]

    async def fails(self, native_id, cancel=ScriptedBackend.cancel):
        if failures:
            raise failures.pop()
        await cancel(self, native_id)

    monkeypatch.setattr(ScriptedBackend, "cancel", fails)
    monkeypatch.setattr("qwex.controller.cancelling._AGAIN", (0.01,))
    async with stage() as it:
        await it.submit("one")
        with pytest.raises(BackendUnavailable, match=r"not as expected\. The wish is kept"):
            await it.service.cancel("one", ME)
        await it.until("one", "CANCELLED")


async def test_cancel_while_an_unreachable_backend_is_tried(stage, monkeypatch):
    tried, answers = asyncio.Event(), asyncio.Event()

    async def away(self, request):
        tried.set()
        await answers.wait()
        raise BackendUnavailable("the place is away")

    monkeypatch.setattr(ScriptedBackend, "submit", away)
    async with stage() as it:
        submitting = asyncio.create_task(it.submit("one"))
        await tried.wait()
        await it.service.cancel("one", ME)
        answers.set()
        await submitting
        await it.until("one", "CANCELLED")


async def test_cancel_before_the_backend_has_it(stage, home):
    async with stage() as it:
        (home / "scripted" / "unavailable").touch()
        await it.submit("one")
        record = await it.service.cancel("one", ME)
        assert record.state is JobState.CANCELLED
        assert states(await it.events("one")) == ["PENDING", "CANCELLED"]


async def test_cancel_of_a_job_that_the_backend_may_have(stage, home, monkeypatch):
    """The answer to its submit was lost: it is handed over once more, and ended there."""

    async def lost(self, request, submit=ScriptedBackend.submit):
        await submit(self, request)
        raise BackendUnavailable("the answer timed out", in_doubt=True)

    async with stage() as it:
        with monkeypatch.context() as patch:
            patch.setattr(ScriptedBackend, "submit", lost)
            await it.submit("one")
            assert (await it.service.cancel("one", ME)).state is JobState.PENDING
        assert (await it.until("one", "CANCELLED")).native_id == "native-one"
        assert it.script("one").status().state is JobState.CANCELLED


async def test_what_cannot_be_asked_says_so(stage, home, monkeypatch):
    async def explain(self, native_id):
        raise BackendUnavailable("the place is away")

    monkeypatch.setattr(ScriptedBackend, "explain", explain)
    async with stage() as it:
        await it.submit("one")
        assert "cannot be asked for what just now" in (await it.service.why("one")).summary


async def test_the_end_of_a_story_waits_for_space_on_the_disk(stage, monkeypatch):
    monkeypatch.setattr("qwex.controller.lifecycle._PAUSE", 0.01)
    full = True

    def write(self, data, write=EventLog._write):
        return not (full and b'"SUCCEEDED"' in data) and write(self, data)

    monkeypatch.setattr(EventLog, "_write", write)
    async with stage() as it:
        await it.submit("one")
        await it.run("one", "x\n")
        await it.until("one", "SUCCEEDED")
        assert it.service.live == 1
        full = False
        await it.service.ready()
        while it.service.live:
            await asyncio.sleep(0.005)
        assert states(await it.events("one")) == WHOLE


async def test_an_environment_stays_while_a_job_that_needs_it_is_being_stored(stage, monkeypatch):
    """Another job with the same environment ends between the keeping and the storing."""
    async with stage() as it:
        await it.submit("first", environment={"A": "1"})
        kept = it.service._parts.registry.get("first").environment
        insert = it.service._parts.store.writer.insert

        async def slowly(rows):
            await it.submit("other", environment={"A": "2"})
            await it.service.cancel("first", ME)
            while it.service._parts.registry.get("first"):
                await asyncio.sleep(0.005)
            await insert(rows)

        submitting = it.submit("second", environment={"A": "1"})
        writer = it.service._parts.store.writer
        calls = iter([slowly])
        monkeypatch.setattr(writer, "insert", lambda rows: next(calls, insert)(rows))
        await submitting
        assert it.service._parts.registry.get("second").environment == kept
        assert it.service._parts.environments.path(kept).exists()


async def test_a_refusal_at_submit_leaves_nothing(stage, home):
    async with stage() as it:
        (home / "scripted" / "refuses").touch()
        with pytest.raises(InvalidSpec, match="after all"):
            await it.submit("one", "refused")
        assert it.service.live == 0
        assert (await it.service.page(Filter(), 10, None)).total == 0


async def test_output_over_the_limit_is_dropped_and_said(stage):
    async with stage(max_log=2000) as it:
        await it.submit("one")
        await it.run("one", *["x" * 100 for _ in range(50)])
        await it.until("one", "SUCCEEDED")
        frames = await it.events("one")
        assert [data["code"] for _, event, data in frames if event == "notice"] == ["log-full"]
        assert states(frames) == WHOLE
        assert frames[-2][1] == "exit"


async def test_old_news_has_no_effect(stage):
    async with stage() as it:
        await it.submit("one")
        it.script("one").say("RUNNING")
        await it.until("one", "RUNNING")
        job = it.service._parts.registry.get("one")
        for late in ("QUEUED", "ADMITTED", "RUNNING"):
            it.service._parts.lifecycle.on_status(job, JobStatus(JobState(late), attempt=1))
        assert job.record.state is JobState.RUNNING


async def test_the_end_is_taken_in_although_something_fails(stage, monkeypatch):
    """What fails the first time is tried again; what always fails does not keep a job alive."""
    monkeypatch.setattr("qwex.controller.lifecycle._PAUSE", 0.01)
    for name, failures in (("once", 1), ("always", 1000)):
        left = iter([RuntimeError("the disk blinked")] * failures)

        async def may_retry(*_, left=left):
            for error in left:
                raise error
            return False

        monkeypatch.setattr("qwex.controller.lifecycle.may_retry", may_retry)
        async with stage() as it:
            await it.submit(name)
            await it.run(name, code=3)
            record = await it.until(name, "FAILED")
            assert record.state.value == "FAILED"
