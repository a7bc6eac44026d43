"""Whoever holds the backend may be killed at any moment, and so may its zygotes: jobs go on, or start again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
import textwrap

import anyio
import pytest
from qwex_local import zygotes

from qwex.backend import Position

pytestmark = pytest.mark.anyio

FOREVER = "import signal; print('up', flush=True); signal.pause()"
#: Runs until a file appears whose FIFO it reads.
UNTIL_TOLD = "import sys; print('begun', flush=True); open(sys.argv[1]).read(); print('done')"

#: Submits the plans it is given on stdin, and prints a line for each change.
HOLDER = textwrap.dedent(
    """
    import asyncio, json, sys
    from pathlib import Path
    from qwex.backend import BackendContext, Plan
    from qwex.spec import JobSpec
    from qwex_local.backend import LocalBackend

    async def main():
        backend = LocalBackend(BackendContext(Path(sys.argv[1]), json.loads(sys.argv[2])))
        changes = backend.watch()
        await backend.start()
        for run_id, spec in json.loads(sys.argv[3]).items():
            await backend.submit(backend.render(Plan(run_id, JobSpec(**spec), "me")))
        async for run_id, status in changes:
            print(run_id, status.state, flush=True)

    asyncio.run(main())
    """
)


def script(text, *args, **more):
    return {"source": {"kind": "script", "text": text, "name": "job.py"}, "args": args, **more}


@contextlib.asynccontextmanager
async def holder(folder, specs, **settings):
    """Another process that holds the backend; killed at the end. Gives a function that awaits a change there."""
    words = json.dumps({"cpu": 1, "linger": 5, **settings}), json.dumps(specs)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(folder), *words, stdout=asyncio.subprocess.PIPE
    )

    async def until(line):
        with anyio.fail_after(30):
            while (await process.stdout.readline()).decode().strip() != line:
                assert not process.stdout.at_eof()

    try:
        yield until
    finally:
        process.kill()
        await process.wait()


async def test_a_running_job_and_a_waiting_one_survive_kill_9(local, folder, tmp_path):
    os.mkfifo(tmp_path / "go")
    specs = {
        "first": script(UNTIL_TOLD, str(tmp_path / "go")),
        "second": script("print('me too')"),
        "third": script("1"),
    }
    async with holder(folder, specs) as until:
        await until("first RUNNING")
    b = await local(cpu=1)
    found = await b.backend.status(["first", "second", "third"])
    assert [status.state for status in found.values()] == ["RUNNING", "QUEUED", "QUEUED"]
    assert (await b.backend.explain("third")).position == 2
    await b.until_printed("first", "begun")
    await anyio.Path(tmp_path / "go").write_text("go")
    for run_id in specs:
        status = await b.ended(run_id)
        assert (status.state, status.attempt) == ("SUCCEEDED", 1)
    records = await b.records("first")
    assert b.printed(records) == "begun\ndone\n"
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert b.printed(await b.records("second")) == "me too\n"


async def test_a_job_that_ended_meanwhile_is_found_ended(local, folder, tmp_path):
    os.mkfifo(tmp_path / "go")
    async with holder(folder, {"job": script(UNTIL_TOLD, str(tmp_path / "go"))}) as until:
        await until("job RUNNING")
    start = json.loads((folder / "jobs/job/1/events.jsonl").read_text().splitlines()[0])
    gone = os.pidfd_open(start["pid"])
    await anyio.Path(tmp_path / "go").write_text("go")
    with anyio.fail_after(30):
        await anyio.wait_readable(gone)
    os.close(gone)
    b = await local()
    assert (await b.backend.status(["job"]))["job"].state == "SUCCEEDED"
    assert b.printed(await b.records("job", Position())) == "begun\ndone\n"


async def test_a_job_killed_meanwhile_is_lost(local, folder):
    async with holder(folder, {"job": script(FOREVER)}) as until:
        await until("job RUNNING")
    start = json.loads((folder / "jobs/job/1/events.jsonl").read_text().splitlines()[0])
    os.kill(start["pid"], signal.SIGKILL)
    b = await local()
    status = await b.ended("job")
    assert (status.state, status.reason) == ("FAILED", "Lost")


async def test_a_cancel_is_not_forgotten(local, folder):
    async with holder(folder, {"job": script(FOREVER)}) as until:
        await until("job RUNNING")
    with contextlib.closing(sqlite3.connect(folder / "queue.db")) as journal:
        journal.execute("UPDATE job SET stop='CancelledByUser'")
        journal.commit()
    b = await local()
    assert (await b.ended("job")).state == "CANCELLED"


async def test_a_start_that_was_cut_short_is_made_again(local, folder):
    async with holder(folder, {"first": script(FOREVER), "job": script("print('late')")}) as until:
        await until("first RUNNING")
    with contextlib.closing(sqlite3.connect(folder / "queue.db")) as journal:
        journal.execute("UPDATE job SET state='ADMITTED' WHERE run_id='job'")
        journal.commit()
    b = await local(cpu=2)
    back = await b.until("job", lambda status: status.reason == "Retry")
    assert (back.state, back.attempt) == ("QUEUED", 2)
    status = await b.ended("job")
    assert (status.state, status.attempt) == ("SUCCEEDED", 2)
    assert b.printed(await b.records("job")) == "late\n"


async def test_a_lost_journal_starts_no_job_twice(local, folder, tmp_path):
    os.mkfifo(tmp_path / "go")
    spec = script(UNTIL_TOLD, str(tmp_path / "go"))
    async with holder(folder, {"job": spec}) as until:
        await until("job RUNNING")
    for file in folder.glob("queue.db*"):
        file.unlink()
    b = await local()
    await b.submit(UNTIL_TOLD, run_id="job", args=(str(tmp_path / "go"),))
    await b.until("job", "RUNNING")
    await anyio.Path(tmp_path / "go").write_text("go")
    assert (await b.ended("job")).attempt == 1
    assert b.printed(await b.records("job")) == "begun\ndone\n"


async def test_a_zygote_serves_the_next_holder(local, folder):
    async with holder(folder, {"job": script("import os; print(os.getppid())")}) as until:
        await until("job SUCCEEDED")
    (before,) = [path for path in folder.glob("z/*") if path.is_socket()]
    made = before.stat().st_ino
    b = await local()
    await b.run()
    assert before.stat().st_ino == made


async def test_jobs_outlive_their_zygote_and_new_ones_get_another(local, folder, tmp_path):
    os.mkfifo(tmp_path / "go")
    b = await local()
    job = await b.submit(UNTIL_TOLD, args=(str(tmp_path / "go"),))
    await b.until_printed(job, "begun")
    os.kill(zygote_of((await b.records_so_far(job))[0]["pid"]), signal.SIGKILL)
    status, _ = await b.run()
    assert status.state == "SUCCEEDED"
    await anyio.Path(tmp_path / "go").write_text("go")
    assert (await b.ended(job)).state == "SUCCEEDED"
    assert b.printed(await b.records(job)) == "begun\ndone\n"


async def test_a_zygote_that_hangs_is_given_up(local, monkeypatch):
    monkeypatch.setattr(zygotes, "_ANSWER", 0.2)
    b = await local()
    job = await b.submit(FOREVER)
    await b.until_printed(job, "up")
    zygote = zygote_of((await b.records_so_far(job))[0]["pid"])
    os.kill(zygote, signal.SIGSTOP)
    try:
        status, _ = await b.run()
        assert (status.state, status.attempt) == ("SUCCEEDED", 2)
        await b.backend.cancel(job)
        assert (await b.ended(job)).state == "CANCELLED"
    finally:
        os.kill(zygote, signal.SIGCONT)


def zygote_of(supervisor):
    with open(f"/proc/{supervisor}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])
