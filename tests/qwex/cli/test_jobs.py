"""The commands about jobs that are there already."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import Popen

    from command_line import Done


@pytest.fixture
def submit(qwex: Callable[..., Done]) -> Callable[..., str]:
    """Submits and gives the id."""

    def run(*argv: str) -> str:
        done = qwex("submit", "--quiet", *argv)
        assert done.code == 0, done.err
        return done.out.strip()

    return run


def test_list(qwex: Callable[..., Done], submit: Callable[..., str]) -> None:
    assert (qwex("list").out, qwex("list").err) == ("", "no jobs\n")
    first, second, third = (submit("--cpu", "2", "--name", name, "--", "sleep", "60") for name in ("a", "b", "c"))
    done = qwex("list")
    assert [line.split()[0] for line in done.out.splitlines()] == ["ID", third, second, first]
    queued = json.loads(qwex("list", "--status", "queued", "--json").out)
    assert [job["id"] for job in queued["jobs"]] == [third, second]
    assert [line.split()[0] for line in qwex("list", "--name", "a").out.splitlines()] == ["ID", first]
    assert [line.split()[0] for line in qwex("list", "--name", second[:4]).out.splitlines()] == ["ID", second]
    assert qwex("list", "--queue", "default", "--name", "nothere").err == "no such jobs\n"
    missing = qwex("list", "--queue", "defualt")
    assert (missing.code, missing.out) == (3, "")
    assert "no queue 'defualt'. There is: default. Did you mean 'default'?" in missing.err
    cut = qwex("list", "--limit", "2", "--user", "me")
    assert len(cut.out.splitlines()) == 3
    assert cut.err == "2 of 3; all of them: --all\n"
    assert len(qwex("list", "--limit", "2", "--all").out.splitlines()) == 4
    assert qwex("list", "--limit", "0").code == 2
    assert "--limit: at least 1, not -5" in qwex("list", "--limit", "-5").err
    assert f"no job 'c'; the newest of that name is {third}" in qwex("status", "c").err
    assert qwex("why", first).out.splitlines()[1].startswith("  it runs for ")
    assert qwex("list", "--user", "nobody").err == "no such jobs\n"


def test_status(qwex: Callable[..., Done], submit: Callable[..., str]) -> None:
    run_id = submit("--name", "count", "--tag", "a=b", "--mem", "64Mi", "--", "sh", "-c", "exit 4")
    assert qwex("wait", run_id).code == 4
    done = qwex("status", run_id)
    assert done.code == 0
    head, *facts = done.out.splitlines()
    assert head.startswith(f"✖ {run_id}  failed after ")
    shown = {line[2:12].strip(): line[13:] for line in facts}
    assert (shown["name"], shown["exit code"], shown["tags"]) == ("count", "4", "a=b")
    assert "64Mi memory" in shown["asks for"]
    assert shown["command"] == "sh -c 'exit 4'"
    assert "attempt 1" not in shown
    told = json.loads(qwex("status", run_id, "--json").out)
    assert (told["exit_code"], told["command"]) == (4, ["sh", "-c", "exit 4"])
    assert [attempt["reason"] for attempt in told["attempts"]] == ["ExitCode"]


def test_status_of_a_script(qwex: Callable[..., Done], submit: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print(1)\n")
    run_id = submit("train.py", "--", "--name", "a b")
    assert f"  command    {tmp_path / 'train.py'} --name 'a b'\n" in qwex("status", run_id).out


def test_a_second_attempt_is_told_where_it_begins(qwex: Callable[..., Done], tmp_path: Path) -> None:
    waited = qwex("submit", "--wait", "--retries", "1", "--", "sh", "-c", "echo once; exit 3")
    assert (waited.code, waited.out) == (3, "once\nonce\n")
    assert "qwex: attempt 2 follows (Retry)\n" in waited.err
    run_id = waited.err.split()[0]
    printed = qwex("logs", run_id)
    assert (printed.out, printed.err) == ("once\nonce\n", "qwex: attempt 2 follows (Retry)\n")
    followed = qwex("logs", run_id, "--follow")
    assert followed.out == "once\nonce\n"
    assert "qwex: attempt 2 follows (Retry)\n" in followed.err
    lines = [line.strip() for line in qwex("status", run_id).out.splitlines() if line.startswith("  attempt")]
    assert [line.split()[:2] for line in lines] == [["attempt", "1"], ["attempt", "2"]]
    assert " · Retry: " in lines[0]
    assert " · ExitCode: " in lines[1]


def test_quiet_says_nothing_of_attempts(qwex: Callable[..., Done]) -> None:
    done = qwex("submit", "--wait", "--quiet", "--retries", "1", "--", "sh", "-c", "exit 3")
    assert (done.code, done.out, done.err) == (3, "", "")


def test_a_preempted_job_tells_its_story(
    qwex: Callable[..., Done], start: Callable[..., Popen[str]], submit: Callable[..., str]
) -> None:
    script = "[ -e second ] && exit; touch second; echo ready; sleep 60"
    low = start("submit", "--wait", "--cpu", "2", "--", "sh", "-c", script)
    assert low.stdout
    assert low.stdout.readline() == "ready\n"
    submit("--cpu", "2", "--priority", "9", "--", "true")
    out, err = low.communicate(timeout=60)
    assert (low.returncode, out) == (0, "")
    assert "qwex: attempt 2 follows (Preempted)\n" in err
    told = json.loads(qwex("status", err.split()[0], "--json").out)["attempts"]
    assert [(attempt["number"], attempt["reason"]) for attempt in told] == [(1, "Preempted"), (2, "")]


@pytest.mark.parametrize("run_id", ["", "../x", "a/b?c=1", "A", "\x1b[2J"])
def test_what_can_be_no_job(qwex: Callable[..., Done], run_id: str) -> None:
    done = qwex("status", run_id)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: no job '")
    assert "\x1b" not in done.err


@pytest.mark.parametrize("command", ["status", "logs", "why", "cancel", "wait", "resubmit"])
def test_no_such_job(qwex: Callable[..., Done], command: str) -> None:
    done = qwex(command, "nothere-2b3c4d")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: ")
    assert "nothere-2b3c4d" in done.err


def test_why(qwex: Callable[..., Done], submit: Callable[..., str]) -> None:
    submit("--cpu", "2", "--", "sleep", "60")
    run_id = submit("--cpu", "2", "--", "true")
    done = qwex("why", run_id)
    assert done.out.startswith(f"◌ {run_id}  QUEUED  1st in default")
    assert "cpu  asks for 2; 2 of 2 in use" in done.out
    assert json.loads(qwex("why", run_id, "--json").out)["position"] == 1


def test_cancel_several(qwex: Callable[..., Done], submit: Callable[..., str]) -> None:
    running, waiting, ended = submit("--cpu", "2", "--", "sleep", "60"), submit("--cpu", "2", "--", "true"), ""
    done = qwex("cancel", waiting, "nothere-2b3c4d", running)
    assert done.code == 3
    assert "nothere-2b3c4d" in done.err
    assert [line.split()[0] for line in done.out.splitlines()] == [waiting, running]
    assert qwex("wait", running, waiting).code != 0
    ended = qwex("cancel", running)
    assert (ended.code, ended.out) == (0, f"{running} had ended already: CANCELLED\n")
    assert json.loads(qwex("cancel", running, "--json").out)["jobs"][0]["state"] == "CANCELLED"


def test_no_job_that_is_cancelled_starts_meanwhile(
    qwex: Callable[..., Done], submit: Callable[..., str], tmp_path: Path
) -> None:
    running = submit("--cpu", "2", "--", "sleep", "60")
    waiting = [submit("--cpu", "2", "--", "touch", f"ran-{number}") for number in range(3)]
    done = qwex("cancel", running, *waiting)
    assert [line.split()[0] for line in done.out.splitlines()] == [running, *waiting]
    qwex("wait", running, *waiting)
    records = [json.loads(qwex("status", run_id, "--json").out) for run_id in waiting]
    assert [record["started_at"] for record in records] == [None] * 3
    assert not list(tmp_path.glob("ran-*"))


def test_wait(qwex: Callable[..., Done], submit: Callable[..., str]) -> None:
    good, bad, long = submit("--", "true"), submit("--", "sh", "-c", "exit 9"), submit("--", "sleep", "60")
    assert qwex("wait", good).code == 0
    done = qwex("wait", good, bad)
    assert (done.code, len(done.out.splitlines())) == (9, 2)
    late = qwex("wait", good, long, "--timeout", "1s")
    assert late.code == 5
    assert "the time to wait is over" in late.err
    assert [job["id"] for job in json.loads(qwex("wait", good, bad, "--json").out)["jobs"]] == [good, bad]
    assert qwex("wait", good, "--timeout", "soon").code == 2


def test_resubmit(qwex: Callable[..., Done], submit: Callable[..., str]) -> None:
    run_id = submit("--name", "again", "--mem", "64Mi", "--cpu", "1", "--", "echo", "hi")
    done = qwex("resubmit", run_id, "--mem", "32Mi", "--json")
    again = json.loads(done.out)
    assert again["id"] != run_id
    assert again["name"] == "again"
    assert (again["resources"]["memory"], again["resources"]["cpu"]) == ("32Mi", "1")
    assert qwex("wait", again["id"]).code == 0
    assert qwex("logs", again["id"]).out == "hi\n"


def test_resubmit_follows_as_submit_does(qwex: Callable[..., Done], submit: Callable[..., str]) -> None:
    run_id = submit("--name", "again", "--", "sh", "-c", "echo hi; exit 6")
    waited = qwex("resubmit", run_id, "--wait", "--quiet")
    assert (waited.code, waited.out) == (6, "hi\n")
    quiet = qwex("resubmit", run_id, "--quiet")
    assert quiet.out.startswith("again-")
    assert quiet.out.count("\n") == 1


def test_resubmit_elsewhere(qwex: Callable[..., Done], submit: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    run_id = submit("--", "pwd")
    assert qwex("resubmit", run_id, "--cwd", "sub", "--wait").out == f"{tmp_path / 'sub'}\n"


def test_logs(qwex: Callable[..., Done], submit: Callable[..., str]) -> None:
    run_id = submit("--", "sh", "-c", "echo out; echo err >&2; exit 2")
    followed = qwex("logs", run_id, "--follow")
    assert followed.code == 0
    assert sorted(followed.out.splitlines()) == ["err", "out"]
    assert sorted(qwex("logs", run_id).out.splitlines()) == ["err", "out"]
    events = json.loads(qwex("logs", run_id, "--json").out)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    last = events[-1]["id"]
    assert qwex("logs", run_id, "--offset", str(last)).out == ""
    assert json.loads(qwex("logs", run_id, "--offset", str(last), "--json").out) == []


@pytest.mark.parametrize("follow", [[], ["--follow"]])
def test_what_qwex_says_of_the_output_is_not_in_it(
    qwex: Callable[..., Done], submit: Callable[..., str], monkeypatch: pytest.MonkeyPatch, follow: list[str]
) -> None:
    monkeypatch.setenv("QWEX_MAX_LOG", "20000")
    run_id = submit("--", "seq", "20000")
    qwex("wait", run_id)
    printed = qwex("logs", run_id, *follow)
    assert "[qwex] the log has reached 20,000 bytes" in printed.err
    assert "[qwex]" not in printed.out


def test_a_jobs_own_output_is_left_as_it_is(qwex: Callable[..., Done], submit: Callable[..., str]) -> None:
    run_id = submit("--", "printf", r"\033[31mred\033[0m\n")
    qwex("wait", run_id)
    assert qwex("logs", run_id).out == "\x1b[31mred\x1b[0m\n"


def test_a_reader_that_goes_away_is_no_error(qwex: Callable[..., Done], submit: Callable[..., str]) -> None:
    import os
    import subprocess
    import sys

    run_id = submit("--", "seq", "200000")
    qwex("wait", run_id)
    script = f"set -o pipefail; {sys.executable} -m qwex.cli logs {run_id} | head -n 1"
    done = subprocess.run(["bash", "-c", script], env=os.environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (141, "1\n", "")
