"""``qwex submit``, as a process, against a controller of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from qwex.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from command_line import Done


def test_says_where_the_job_stands_and_what_next(qwex: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('hi')\n")
    done = qwex("submit", "train.py")
    assert (done.code, done.err) == (0, "")
    first, *steps = done.out.splitlines()
    run_id = first.split()[0]
    assert run_id.startswith("train-")
    assert steps == [
        f"  follow   qwex logs {run_id} --follow",
        f"  why      qwex why {run_id}",
        f"  stop     qwex cancel {run_id}",
    ]


def test_a_waiting_job_has_a_position(qwex: Callable[..., Done]) -> None:
    qwex("submit", "--cpu", "2", "--", "sleep", "60")
    qwex("submit", "--cpu", "2", "--", "sleep", "60")
    done = qwex("submit", "--cpu", "2", "--name", "third", "--", "true")
    assert done.out.splitlines()[0].endswith(" queued in default on local (2nd)")


def test_a_controller_with_another_default_backend_is_told(qwex: Callable[..., Done], tmp_path: Path) -> None:
    qwex("controller", "start")
    done = qwex("submit", "--", "true", QWEX_DEFAULT_BACKEND="kueue")
    assert done.out.splitlines()[0].endswith(" in default on local")
    assert done.err == (
        "warning: jobs that name no backend go to 'local', as your controller was started; here it is 'kueue' by "
        "QWEX_DEFAULT_BACKEND. Start it anew: qwex controller stop (jobs go on, the next command starts it), or name "
        "one: --backend kueue\n"
    )
    assert qwex("submit", "--backend", "local", "--", "true", QWEX_DEFAULT_BACKEND="kueue").err == ""
    assert qwex("submit", "--", "true").err == ""
    (tmp_path / "qwex.toml").write_text("default_backend = 'kueue'\n")
    assert qwex("submit", "--", "true").err.endswith("a project says: backend = 'kueue'\n")


def test_wait_streams_apart_and_ends_with_the_jobs_code(qwex: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import sys\nprint('out', sys.argv[1:])\nprint('err', file=sys.stderr)\nsys.exit(7)\n"
    )
    done = qwex("submit", "train.py", "--wait", "--", "--lr", "0.1")
    assert done.code == 7
    assert done.out == "out ['--lr', '0.1']\n"
    head, err, last = done.err.splitlines()
    assert head.startswith("train-")
    assert err == "err"
    assert "ExitCode" in last


def test_an_error_shows_as_its_own_traceback(qwex: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def f():\n    raise ValueError('no')\n\nf()\n")
    done = qwex("submit", "bad.py", "--wait", "--quiet")
    assert done.code == 1
    assert done.err.startswith("Traceback (most recent call last):")
    assert f'File "{tmp_path / "bad.py"}", line 2, in f' in done.err
    assert done.err.endswith("ValueError: no\n")
    assert "\x1b" not in done.err


def test_quiet_still_says_why_a_job_could_not_start(qwex: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "python").write_text("no program\n")
    (tmp_path / "python").chmod(0o755)
    done = qwex("submit", "--wait", "--quiet", "--python", "./python", "--", "true")
    assert (done.code, done.out) == (1, "")
    assert "StartFailed" in done.err


def test_quiet_gives_the_id_only(qwex: Callable[..., Done]) -> None:
    done = qwex("submit", "--quiet", "--name", "count", "--", "seq", "3")
    assert done.out.startswith("count-")
    assert done.out.count("\n") == 1


def test_json(qwex: Callable[..., Done]) -> None:
    record = json.loads(qwex("submit", "--json", "--tag", "a=b", "--", "true").out)
    assert (record["kind"], record["tags"]) == ("command", {"a": "b"})


def test_json_lines_when_waiting(qwex: Callable[..., Done]) -> None:
    done = qwex("submit", "--json", "--wait", "--", "sh", "-c", "echo hi; exit 3")
    first, *events, last = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code, done.err) == (3, "")
    assert (first["type"], first["id"]) == ("job", last["id"])
    assert [event["text"] for event in events if event["type"] == "stream"] == ["hi\n"]
    assert (last["type"], last["state"], last["exit_code"]) == ("job", "FAILED", 3)


def test_a_described_job_changed_by_flags(qwex: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("source: {kind: command}\nargs: [sh, -c, 'echo $A']\nenv: {A: file}\n")
    assert qwex("submit", "job.yaml", "--wait").out == "file\n"
    assert qwex("submit", "job.yaml", "--wait", "-e", "A=flag").out == "flag\n"


def test_a_jobs_description_submits_the_same_job(qwex: Callable[..., Done], home: Path, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import sys\n\nprint('lr', sys.argv[2])\nprint(__file__)\n")
    done = qwex("submit", "train.py", "--wait", "--quiet", "-e", "A=on", "--time", "15m", "--", "--lr", "0.1")
    with Client(start=False) as client:
        first = client.list().records[0].id
        (tmp_path / "job.yaml").write_text(client.description(first))
        assert qwex("submit", "job.yaml", "--wait", "--quiet").out == done.out
        again = client.list().records[0].id
        assert (first != again, client.spec(first)) == (True, client.spec(again))


def test_dry_run_stores_nothing(qwex: Callable[..., Done]) -> None:
    done = qwex("submit", "--dry-run", "--cpu", "2", "--", "echo", "hello")
    assert done.code == 0
    assert "- hello\n" in done.out
    assert "nothing was submitted" in done.err
    assert json.loads(qwex("list", "--json").out)["total"] == 0


def test_dry_run_is_readable_and_as_json_is_data(qwex: Callable[..., Done], tmp_path: Path) -> None:
    text = "for n in range(3):  \n\tprint(n)\n\nprint('é \\n')\n"
    (tmp_path / "train.py").write_text(text)
    done = qwex("submit", "train.py", "--dry-run")
    assert "    text: |\n      for n in range(3):  \n      \tprint(n)\n\n      print('é \\n')\n" in done.out
    assert yaml.safe_load(done.out)["job"]["source"]["text"] == text
    document = json.loads(qwex("submit", "train.py", "--dry-run", "--json").out)
    assert document["rendered"]["job"]["source"]["text"] == text
    assert document["why"]["position"] == 1


@pytest.mark.parametrize("argv", [["--gpu", "4000"], ["--queue", "defualt"], ["--option", "nicee=10"]])
def test_dry_run_refuses_what_a_submit_refuses(qwex: Callable[..., Done], argv: list[str]) -> None:
    real, dry = qwex("submit", *argv, "--", "true"), qwex("submit", "--dry-run", *argv, "--", "true")
    assert dry == real
    assert dry.code in (2, 3)


def test_errors_as_json(qwex: Callable[..., Done]) -> None:
    done = qwex("submit", "--json", "--retries", "-1", "--queue", "a b", "--", "true")
    assert (done.code, done.out) == (2, "")
    error = json.loads(done.err)["error"]
    assert error["code"] == "invalid-spec"
    assert [problem["field"] for problem in error["problems"]] == ["queue", "retries"]
    assert json.loads(qwex("list", "--json", "--bogus").err)["error"]["code"] == "usage"
    assert json.loads(qwex("cancel", "--json", "nothere-2b3c4d").err)["error"]["code"] == "not-found"
    assert not qwex("submit", "--retries", "-1", "--", "echo", "--json").err.startswith("{")


def test_a_relative_folder_counts_from_where_one_submits(qwex: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert qwex("submit", "--wait", "--cwd", "sub", "--", "pwd").out == f"{tmp_path / 'sub'}\n"


#: Arguments, the exit code, and what the error says.
BAD = (
    (["nothere.py"], 2, "no file 'nothere.py'"),
    (["--gpu", "-1", "--", "true"], 2, "gpu"),
    (["--gpu", "4000", "--", "true"], 2, "4000 GPUs"),
    (["--queue", "defualt", "--", "true"], 3, "Did you mean 'default'?"),
    (["--backend", "slrum", "--", "true"], 3, "no backend 'slrum'"),
    (["--env", "A", "--", "true"], 2, "K=V"),
    (["--name", "a\x1b[2Jb", "--", "true"], 2, "control characters"),
    (["--bogus", "--", "true"], 2, "--bogus"),
    (["--retries", "-1", "--", "true"], 2, "retries: at least 0"),
    (["--queue", "a b", "--", "true"], 2, "queue: letters, digits"),
    (["--option", "nicee=10", "--", "true"], 2, "option nicee: no such field"),
    (["--name", "a", "--name", "b", "--", "true"], 2, "--name: given twice"),
    (["--python", "/no/such", "--", "true"], 2, "python: no interpreter '/no/such' on this machine"),
    (["--cwd", "/no/such", "--", "true"], 2, "cwd: no folder '/no/such' on this machine"),
    (["a.py", "b.py"], 2, "b.py"),
    ([], 2, "what to run?"),
)


def test_bad_input_is_one_clear_error_and_stores_nothing(qwex: Callable[..., Done]) -> None:
    for argv, code, said in BAD:
        done = qwex("submit", *argv)
        assert (done.code, done.out) == (code, ""), argv
        assert done.err.startswith("error: "), argv
        assert said in done.err, argv
        assert "Traceback" not in done.err, argv
    assert json.loads(qwex("list", "--json").out)["total"] == 0


def test_a_number_that_is_none_is_said_in_plain_words(qwex: Callable[..., Done]) -> None:
    done = qwex("submit", "--priority", "abc", "--", "true")
    assert (done.code, done.err) == (2, "error: --priority: a whole number; not 'abc'. See: qwex submit --help\n")


def test_a_command_in_one_word_is_told_how_to_be_written(qwex: Callable[..., Done]) -> None:
    assert "A command is written: qwex submit -- echo hi\n" in qwex("submit", "echo hi").err
    done = qwex("submit", "--wait", "--", "echo hi")
    assert done.code == 127
    assert "Without quotes these are words of their own: -- echo hi. For a shell's line: -- sh -c 'echo hi'" in done.err
