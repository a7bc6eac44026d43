"""The backend's promises, with real processes."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from qwex_local.backend import LocalBackend
from qwex_local.request import Interpreter

from qwex.backend import BackendContext, Position
from qwex.errors import ConfigError, InvalidSpec, NotFound, UnknownQueue

pytestmark = pytest.mark.anyio

#: Runs until it is told to end.
FOREVER = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"
#: Runs until it is told to end the first time, and not at all the second.
ONCE = """
import os, signal
attempt = os.environ["QWEX_ATTEMPT"]
print("try", attempt, flush=True)
if attempt == "1":
    signal.pause()
"""
HOLDS_GPUS = """
import os, signal
print(os.environ["CUDA_VISIBLE_DEVICES"], os.environ["QWEX_SIMULATED_GPUS"], flush=True)
signal.pause()
"""


def states(watched, run_id):
    return [status.state.value for status in watched.seen[run_id]]


async def test_a_job_goes_through_its_states_and_leaves_its_output(local):
    b = await local()
    run_id = await b.submit("print('hello')")
    status = await b.ended(run_id)
    assert (status.state, status.exit_code, status.attempt) == ("SUCCEEDED", 0, 1)
    assert states(b, run_id) == ["QUEUED", "ADMITTED", "RUNNING", "SUCCEEDED"]
    records = await b.records(run_id)
    assert (records[0]["type"], records[-1]["type"]) == ("start", "exit")
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert b.printed(records) == "hello\n"


async def test_a_cell_runs_in_ipython(local):
    b = await local()
    status, records = await b.run("x = 20\nx + 22", kind="cell")
    assert status.state == "SUCCEEDED"
    (result,) = [record for record in records if record["type"] == "result"]
    assert result["data"]["text/plain"] == "42"


async def test_output_goes_on_after_the_position(local):
    b = await local()
    run_id = await b.submit("import sys\nfor i in range(50): print(i); sys.stderr.write('.\\n')")
    await b.ended(run_id)
    everything = await b.records(run_id)
    assert len(everything) > 4
    for seen in range(len(everything) + 1):
        assert await b.records(run_id, Position(1, seen)) == everything[seen:]


async def test_output_follows_a_running_job(local):
    b = await local()
    run_id = await b.submit(FOREVER)
    await b.until_printed(run_id, "up")
    await b.backend.cancel(run_id)
    assert (await b.ended(run_id)).state == "CANCELLED"


async def test_the_same_run_id_and_attempt_twice_is_one_job(local):
    b = await local()
    request = b.backend.render(b.plan("print('once')"))
    assert await b.backend.submit(request) == await b.backend.submit(request) == request.run_id
    await b.ended(request.run_id)
    await b.backend.submit(request)
    assert b.printed(await b.records(request.run_id)) == "once\n"
    assert states(b, request.run_id).count("RUNNING") == 1


async def test_a_further_attempt_of_an_ended_job_runs(local):
    b = await local()
    first = b.plan("import os; print(os.environ['QWEX_ATTEMPT']); raise SystemExit(3)")
    await b.backend.submit(b.backend.render(first))
    status = await b.ended(first.run_id)
    assert (status.state, status.reason, status.exit_code) == ("FAILED", "ExitCode", 3)
    await b.backend.submit(b.backend.render(b.plan(first.spec.source.text, run_id=first.run_id, attempt=2)))
    await b.until(first.run_id, lambda status: status.state.terminal and status.attempt == 2)
    assert b.printed(await b.records(first.run_id)) == "1\n2\n"
    assert b.printed(await b.records(first.run_id, Position(1, 99))) == "2\n"


async def test_the_job_has_the_clients_environment_and_folder(local, tmp_path):
    b = await local()
    kept = tmp_path / "environment.json"
    kept.write_text(json.dumps({**os.environ, "MINE": "from the client", "OVER": "covered"}))
    status, records = await b.run(
        "import os; print(os.environ['MINE'], os.environ['OVER'], os.getcwd())",
        environment=kept, env={"OVER": "set"}, cwd=str(tmp_path),
    )  # fmt: skip
    assert status.state == "SUCCEEDED"
    assert b.printed(records) == f"from the client set {tmp_path}\n"


async def test_values_come_back(local):
    b = await local()
    run_id = await b.submit("x = 7", kind="cell", outputs=("x",))
    await b.ended(run_id)
    import pickle

    assert pickle.loads(b"".join([chunk async for chunk in b.backend.value(run_id, 1, "x")])) == 7
    with pytest.raises(NotFound):
        await anext(b.backend.value(run_id, 1, "y"))
    with pytest.raises(NotFound):
        await anext(b.backend.value(run_id, 1, "../job"))


async def test_a_timeout_ends_the_job(local):
    b = await local()
    status, _ = await b.run(FOREVER, timeout="0.2")
    assert (status.state, status.reason) == ("FAILED", "TimedOut")


async def test_cancel_while_queued(local):
    b = await local(cpu=1)
    first, second, third = [await b.submit(FOREVER) for _ in range(3)]
    await b.until(first, "RUNNING")
    await b.backend.cancel(second)
    status = await b.ended(second)
    assert (status.state, status.reason) == ("CANCELLED", "CancelledByUser")
    assert states(b, second) == ["QUEUED", "CANCELLED"]
    assert (await b.backend.explain(third)).position == 1
    assert await b.records(second) == []


async def test_cancel_while_its_interpreter_loads(local):
    b = await local()
    run_id = await b.submit(FOREVER)
    await b.until(run_id, "ADMITTED")
    await b.backend.cancel(run_id)
    await b.backend.cancel(run_id)
    assert (await b.ended(run_id)).state == "CANCELLED"


async def test_cancel_right_after_it_was_forked(local):
    b = await local()
    await b.run()
    run_id = await b.submit(FOREVER)
    await b.until(run_id, "ADMITTED")
    await b.backend.cancel(run_id)
    assert (await b.ended(run_id)).state == "CANCELLED"


async def test_cancel_a_job_that_ignores_sigterm(local):
    b = await local()
    run_id = await b.submit(STUBBORN, grace="0.2")
    await b.until_printed(run_id, "up")
    await b.backend.cancel(run_id)
    status = await b.ended(run_id)
    assert (status.state, status.reason) == ("CANCELLED", "CancelledByUser")


async def test_cancel_of_an_ended_or_unknown_job_does_nothing(local):
    b = await local()
    run_id = await b.submit()
    await b.ended(run_id)
    await b.backend.cancel(run_id)
    await b.backend.cancel("nobody")
    assert (await b.backend.status([run_id, "nobody"])).keys() == {run_id}
    assert (await b.backend.status([run_id]))[run_id].state == "SUCCEEDED"


async def test_a_cancelled_first_job_lets_the_next_go(local):
    b = await local(cpu=2, preempt=False, backfill_max_wait=0.001)
    running = await b.submit(FOREVER)
    await b.until(running, "RUNNING")
    wide = await b.submit(resources={"cpu": "2"})
    small = await b.submit(FOREVER)
    await b.until(small, "RUNNING")
    await b.backend.cancel(small)
    await b.ended(small)
    held = await b.submit()
    await b.until(held, "QUEUED")
    await b.backend.cancel(wide)
    assert (await b.ended(held)).state == "SUCCEEDED"


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/false", "no-such-python", "/etc/passwd"])
async def test_an_unusable_python_is_said_plainly(local, python):
    b = await local()
    status, _ = await b.run(runtime={"python": python})
    assert (status.state, status.reason) == ("FAILED", "StartFailed")
    assert python in status.message


async def test_a_missing_working_folder_is_said_plainly(local):
    b = await local()
    status, _ = await b.run(cwd="/nowhere/at/all")
    assert (status.state, status.reason) == ("FAILED", "StartFailed")
    assert "/nowhere/at/all" in status.message


async def test_a_job_runs_without_a_zygote_where_none_can_be_had(local, tmp_path):
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nfor word; do [ "$word" = zygote ] && exit 3; done\nexec {sys.executable} "$@"\n')
    python.chmod(0o700)
    b = await local()
    for _ in range(2):
        status, records = await b.run("print('alone')", runtime={"python": str(python)})
        assert status.state == "SUCCEEDED"
        assert b.printed(records) == "alone\n"


async def test_the_start_of_an_interpreter_sees_the_jobs_variables(local):
    b = await local()
    _, records = await b.run("import sys; print(sys.flags.optimize)", env={"PYTHONOPTIMIZE": "1"})
    assert b.printed(records) == "1\n"
    _, records = await b.run("import sys; print(sys.flags.optimize)")
    assert b.printed(records) == "0\n"


async def test_preemption_sends_back_and_starts_again(local):
    b = await local(cpu=1)
    low = await b.submit(ONCE)
    await b.until_printed(low, "try 1")
    high = await b.submit(priority=5)
    assert (await b.ended(high)).state == "SUCCEEDED"
    back = await b.until(low, lambda status: status.reason == "Preempted")
    assert (back.state, back.attempt) == ("QUEUED", 2)
    status = await b.ended(low)
    assert (status.state, status.attempt) == ("SUCCEEDED", 2)
    assert states(b, low) == ["QUEUED", "ADMITTED", "RUNNING", "QUEUED", "ADMITTED", "RUNNING", "SUCCEEDED"]
    records = await b.records(low)
    assert b.printed(records) == "try 1\ntry 2\n"
    assert [r["attempt"] for r in records if r["type"] == "exit"] == [1, 2]


async def test_cancel_wins_over_preemption(local):
    b = await local(cpu=1)
    low = await b.submit(STUBBORN, grace="0.5")
    await b.until_printed(low, "up")
    high = await b.submit(priority=5)
    await b.until(high, "QUEUED")
    await b.backend.cancel(low)
    assert (await b.ended(low)).state == "CANCELLED"
    assert (await b.ended(high)).state == "SUCCEEDED"


async def test_gpus_are_given_one_job_each(local):
    b = await local(gpus=2, cpu=4)
    one, two, three = [await b.submit(HOLDS_GPUS, resources={"gpu": "1"}) for _ in range(3)]
    await b.until_printed(one, "0 1")
    await b.until_printed(two, "1 1")
    why = await b.backend.explain(three)
    assert why.summary == "1st in default · waits for 1 GPU: 2 of 2 in use"
    assert (why.reason, why.position) == ("WaitingForQuota", 1)
    assert [line.resource for line in why.quota] == ["cpu", "memory", "gpu (simulated)"]
    _, records = await b.run("import os; print(repr(os.environ['CUDA_VISIBLE_DEVICES']))")
    assert b.printed(records) == "''\n"
    await b.backend.cancel(one)
    await b.until_printed(three, "0 1")


async def test_what_can_never_run_is_refused(local):
    b = await local(gpus="A100:80GB:2", cpu=2, memory="1G", queues={"small": {"cpu": 1}, "team": {"gpu": 1}})
    for spec, field, words in (
        ({"resources": {"cpu": "2"}}, "resources.cpu", "asks for 2 cores; the queue small has 1 core at most"),
        ({"resources": {"memory": "2G"}}, "resources.memory", "asks for 2.0 GB; the queue small has 1.0 GB at most"),
        ({"resources": {"gpu": "2"}, "queue": "team"}, "resources.gpu", "the queue team has 1 at most"),
        ({"resources": {"gpu": "100GB..200GB:1"}}, "resources.gpu", "no GPU with 100 GB to 200 GB here"),
        ({"resources": {"gpu": "H100:1"}}, "resources.gpu", "no GPU of model H100 here; there is: A100"),
        ({"runtime": {"image": "python:3.12"}}, "runtime.image", "has no image"),
    ):
        with pytest.raises(InvalidSpec, match=words) as caught:
            b.backend.render(b.plan(**spec))
        assert caught.value.problems[0][0] == field
    with pytest.raises(UnknownQueue, match="Did you mean 'team'"):
        b.backend.render(b.plan(queue="teem"))
    assert (await b.backend.preflight(b.plan(queue="teem"))).reason == "QueueMissing"
    assert (await b.backend.preflight(b.plan(resources={"cpu": "2"}))).reason == "ExceedsMaxQuota"


async def test_why_a_job_waits(local):
    b = await local(
        cpu=3, preempt=False, queues={"a": {"cpu": 1, "default": True}, "b": {"cpu": 2, "description": "big"}}
    )
    running = await b.submit(FOREVER)
    await b.until(running, "RUNNING")
    first, second = [await b.submit() for _ in range(2)]
    assert await b.backend.explain(running) is None
    why = await b.backend.explain(second)
    assert why.summary == "2nd in a · waits for 1 core: 1 of 1 in use"
    assert why.suggestions == ("queue b has 2 cores free",)
    ahead = await b.backend.preflight(b.plan(priority=9))
    assert (ahead.position, ahead.reason) == (1, "WaitingForQuota")
    assert (await b.backend.preflight(b.plan(queue="b"))).summary == "1st in b · starts now"
    a, big = await b.backend.queues()
    assert (a.name, a.waiting, a.running, a.default) == ("a", 2, 1, True)
    assert (big.description, big.quota[0].nominal) == ("big", 2.0)
    await b.backend.cancel(first)
    assert (await b.backend.explain(second)).position == 1


async def test_forget_leaves_nothing(local, folder):
    b = await local()
    run_id = await b.submit()
    await b.ended(run_id)
    await b.backend.forget(run_id)
    await b.backend.forget(run_id)
    assert await b.backend.status([run_id]) == {}
    assert not (folder / "jobs" / run_id).exists()
    assert await b.records(run_id) == []


async def test_a_killed_supervisor_is_lost(local):
    b = await local()
    run_id = await b.submit(FOREVER)
    await b.until_printed(run_id, "up")
    start = (await b.records_so_far(run_id))[0]
    os.kill(start["pid"], signal.SIGKILL)
    status = await b.ended(run_id)
    assert (status.state, status.reason) == ("FAILED", "Lost")


async def test_a_killed_worker_is_told_by_the_supervisor(local):
    b = await local()
    status, _ = await b.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert (status.state, status.reason) == ("FAILED", "Signal")


async def test_a_broken_journal_names_the_file_and_the_way_out(folder):
    folder.mkdir(parents=True)
    (folder / "queue.db").write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigError, match=r"queue\.db.*Move the file away"):
        await LocalBackend(BackendContext(folder)).start()


async def test_settings_are_checked(folder):
    with pytest.raises(ConfigError, match=r"queues\.a\.cpu.*; colour"):
        LocalBackend(BackendContext(folder, {"queues": {"a": {"cpu": "many"}}, "colour": 1}))
    two = {"a": {"default": True}, "b": {"default": True}}
    with pytest.raises(ConfigError, match="only one may be the default"):
        LocalBackend(BackendContext(folder, {"queues": two}))


async def test_sockets_find_a_place_when_the_folder_is_deep(home):
    deep = home / ("d" * 60) / ("e" * 60)
    backend = LocalBackend(BackendContext(deep, {"linger": 5}))
    await backend.start()
    place = backend._zygotes._socket(Interpreter("python", "plain")).parent
    assert len(os.fsencode(place)) < 80
    assert place.stat().st_mode & 0o077 == 0
    await backend.close()
    Path(place).rmdir()
