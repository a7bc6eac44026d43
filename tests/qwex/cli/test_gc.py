"""``qwex gc``: what it says and what it leaves."""

from __future__ import annotations

import json
import os
import time

import pytest

import qwex as sdk
from qwex.cli import main
from qwex.cli.gc import _beside, _removed
from qwex.record import Collected, Stays


def test_old_jobs_go_with_their_folders_and_logs(qwex, home):
    for name in ("one", "two"):
        assert qwex("submit", "--name", name, "--wait", "--", "echo", name).code == 0
    live = json.loads(qwex("submit", "--json", "--", "sleep", "600").out)["id"]
    jobs = {job["name"]: job["id"] for job in json.loads(qwex("list", "--json").out)["jobs"]}
    nothing = qwex("gc", "--older", "30d")
    assert (nothing.code, nothing.out, nothing.err) == (0, "removed nothing\n", "")
    would = qwex("gc", "--older", "0.001s", "--dry-run")
    assert would.out.startswith("would remove 2 jobs: ")
    assert would.out.endswith(f"  {jobs['one']}\n  {jobs['two']}\n")
    assert (home / "local" / "jobs" / jobs["one"]).exists()
    done = qwex("gc", "--older", "0.001s")
    assert (done.code, done.out[:15]) == (0, "removed 2 jobs:")
    assert [path.name for path in (home / "local" / "jobs").iterdir()] == [live]
    assert [path.stem for path in (home / "logs").rglob("*.jsonl")] == [live]
    assert [job["id"] for job in json.loads(qwex("list", "--json").out)["jobs"]] == [live]
    assert qwex("logs", jobs["one"]).code == 3
    told = json.loads(qwex("gc", "--older", "1h", "--json").out)
    assert (told["jobs"], told["live"], told["stay"]) == (0, 1, [])


def test_a_large_input_goes_when_no_job_names_it_any_more(qwex, home):
    client = sdk.Client()
    data = os.urandom(100_000)
    value = {"digest": client.put_blob(data), "size": len(data), "format": "bytes"}
    job = client.submit({"source": {"kind": "cell", "text": "len(x)"}, "inputs": {"x": value}})
    assert job.wait(60)
    (blob,) = (path for path in (home / "artifacts" / "users").rglob("*") if path.is_file())
    os.utime(blob, (time.time() - 7200,) * 2)
    assert client.gc().blobs == 0
    assert qwex("controller", "stop").code == 0  # the next one was asked for nothing
    assert json.loads(qwex("gc", "--older", "0.001s", "--json").out)["blobs"] == 1
    assert not blob.exists()
    assert client.put_blob(data) == value["digest"]
    assert blob.exists()


@pytest.mark.parametrize("age", ["30", "soon", "-1d", ""])
def test_an_age_without_its_unit_removes_nothing(qwex, age):
    done = qwex("gc", f"--older={age}")
    assert done.code == 2
    assert "older: " in done.err
    assert "write for example 90d" in done.err


def test_a_setting_that_is_no_age_is_named(qwex):
    done = qwex("gc", QWEX_KEEP="90")
    assert (done.code, "QWEX_KEEP: keep: '90' is not an age with its unit" in done.err) == (4, True)


def test_it_is_said_what_was_removed():
    assert _removed(Collected()) == "removed nothing"
    assert _removed(Collected(dry_run=True, jobs=1, bytes=2000)) == "would remove 1 job: 2.0 kB"
    all_of_it = Collected(jobs=1200, blobs=1, logs=2, bytes=84_000_000)
    assert _removed(all_of_it) == "removed 1,200 jobs, 1 blob and 2 logs that no job has any more: 84 MB"


def test_it_is_said_what_stays_and_why():
    found = Collected(
        stay=(Stays(1, "trackers were not told of their end yet"), Stays(2, "the backend kueue is away")),
        waiting=3,
        elsewhere=1,
        elsewhere_since=time.time() - 7200,
        problems=("the bucket is away",),
        unfinished=True,
    )
    assert list(_beside(found)) == [
        "1 job stays: trackers were not told of their end yet",
        "2 jobs stay: the backend kueue is away",
        "3 blobs that nobody needs go with a collection a day from now, if nobody needs them then",
        "1 job of another controller has not ended yet, the first of them for 2h00m: what these need stays",
        "blobs stay: the bucket is away",
        "the controller is still at it, and goes on; this is how far it has come",
    ]


def test_other_commands_go_on_after_it(home, capsys):
    """Its module has the name of one of Python's, which the command line uses."""
    assert main(["gc", "--help"]) == 0
    assert main(["config"]) == 0
    assert "keep" in capsys.readouterr().out
