"""Queues, backends, plugins, completion and the controller itself."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import Popen

    from command_line import Done


def test_queues(qwex: Callable[..., Done]) -> None:
    head, line = qwex("queues").out.splitlines()
    assert head.split() == ["QUEUE", "BACKEND", "WAITING", "RUNNING", "IN", "USE"]
    assert line.startswith("default")
    assert "0 of 2 cpu" in line
    (queue,) = json.loads(qwex("queues", "--json").out)["queues"]
    assert queue["name"] == "default"


def test_gpus(qwex: Callable[..., Done]) -> None:
    done = qwex("gpus", QWEX_LOCAL__GPUS="A100:80GB:2")
    lines = done.out.splitlines()
    assert lines[0].split() == ["TYPE", "GPU", "MEMORY", "NODES", "TOTAL", "FREE", "ON", "ONE", "NODE"]
    assert lines[1].split() == ["A100", "A100", "(simulated)", "80", "GB", "1x2", "2", "2", "2"]
    assert lines[-1].split() == ["default", "A100", "-", "2", "of", "2"]
    assert max(map(len, lines)) <= 80
    assert qwex("machine", "gpus").out == done.out
    report = json.loads(qwex("gpus", "--json").out)["reports"]["local"]
    assert (report["kinds"][0]["type"], report["quotas"][0]["left"]) == ("A100", 2)


def test_no_gpus(qwex: Callable[..., Done]) -> None:
    done = qwex("gpus", QWEX_LOCAL__GPUS="0")
    assert (done.code, done.out) == (0, "no GPUs that qwex knows of\n")
    assert "gpus in [local] is 0" in done.err


def test_backends(qwex: Callable[..., Done]) -> None:
    assert "local" in qwex("backends").out
    assert {"kueue", "local"} <= {each["name"] for each in json.loads(qwex("backends", "--json").out)["backends"]}


def test_plugins(qwex: Callable[..., Done]) -> None:
    done = qwex("plugins")
    assert "backend local" in done.out
    told = " ".join(done.out.partition("backend local can: ")[2].split())
    assert told.startswith("explain, gpu, inherits-environment, preemption, priority, queues")
    assert max(map(len, done.out.splitlines())) <= 80
    plugins = json.loads(qwex("plugins", "--json").out)["plugins"]
    assert "qwex_local" in [plugin["module"] for plugin in plugins]


def test_controller(qwex: Callable[..., Done], home: Path) -> None:
    stopped = qwex("controller", "status")
    assert (stopped.code, stopped.out.split(".")[0]) == (4, f"not running  {home}")
    assert qwex("controller", "stop").out == f"no controller runs in {home}\n"
    assert qwex("controller", "start").out.startswith("controller started: process ")
    assert qwex("controller", "start").out.startswith("controller runs already: process ")
    running = json.loads(qwex("controller", "status", "--json").out)
    assert (running["running"], running["unended"]) == (True, 0)
    assert qwex("controller", "status").out.startswith("running  qwex ")
    assert qwex("controller", "logs", "--lines", "5").code == 0
    assert f"process {running['pid']}" in qwex("controller", "stop").out
    assert qwex("controller", "status").code == 4


def test_a_shared_controller_is_not_ours_to_stop(qwex: Callable[..., Done]) -> None:
    done = qwex("controller", "stop", QWEX_URL="https://qwex.example")
    assert done.code == 2
    assert "QWEX_URL names a shared controller" in done.err


def test_no_controller_at_the_url(qwex: Callable[..., Done]) -> None:
    done = qwex("list", QWEX_URL="http://127.0.0.1:1")
    assert (done.code, done.out) == (4, "")
    assert "Check QWEX_URL" in done.err


def test_serve(qwex: Callable[..., Done], start: Callable[..., Popen[str]], tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (tmp_path / "tokens").write_text("ann:open-sesame-open-sesame\n")
    (tmp_path / "tokens").chmod(0o600)
    server = start("controller", "serve", "--port", port, "--token-file", "tokens")
    assert any(f"serving on http://127.0.0.1:{port}" in line for line in server.stderr or ())
    there = {"QWEX_URL": f"http://127.0.0.1:{port}"}
    record = json.loads(qwex("submit", "--json", "--", "true", **there, QWEX_TOKEN="open-sesame-open-sesame").out)
    assert record["user"] == "ann"
    refused = qwex("list", **there, QWEX_TOKEN="wrong")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("error: ")
    assert start("controller", "serve", "--port", port, "--token-file", "tokens").wait(timeout=30) == 1
    server.terminate()
    assert server.wait(timeout=30) == 0


def test_serve_needs_tokens(qwex: Callable[..., Done]) -> None:
    done = qwex("controller", "serve")
    assert done.code == 2
    assert "--token-file" in done.err


def test_a_setting_that_the_plugin_does_not_have(qwex: Callable[..., Done]) -> None:
    done = qwex("submit", "--", "true", QWEX_LOCAL__GPU="2")
    assert (done.code, done.out) == (4, "")
    assert "QWEX_LOCAL__GPU: [local] has no 'gpu'. Did you mean 'gpus'?" in done.err


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("qwex sta", "status"),
        ("qwex logs ", "{id}"),
        ("qwex list --queue ", "default"),
        ("qwex list --status ru", "running"),
    ],
)
def test_completion(qwex: Callable[..., Done], line: str, found: str) -> None:
    run_id = qwex("submit", "--quiet", "--", "true").out.strip()
    words = line.split()
    number = str(len(words) if line.endswith(" ") else len(words) - 1)
    done = qwex(_QWEX_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=number)
    assert found.format(id=run_id) in done.out.split()


def test_completion_starts_no_controller(qwex: Callable[..., Done], home: Path) -> None:
    done = qwex(_QWEX_COMPLETE="complete_bash", COMP_WORDS="qwex logs ", COMP_CWORD="2")
    assert (done.out, done.err) == ("\n", "")
    assert not home.exists()


@pytest.mark.parametrize(
    ("shell", "said"), [("bash", "complete -o"), ("zsh", "#compdef qwex"), ("fish", "complete --c")]
)
def test_completion_script_is_for_the_shell_that_is_named(qwex: Callable[..., Done], shell: str, said: str) -> None:
    done = qwex("--show-completion", shell)
    assert (done.code, done.err) == (0, "")
    assert said in done.out


def test_completion_script_of_an_unknown_shell(qwex: Callable[..., Done]) -> None:
    done = qwex("--show-completion", "fsh")
    assert (done.code, done.out) == (2, "")
    assert "Did you mean 'fish'?" in done.err


def test_help_documents_the_exit_codes(qwex: Callable[..., Done]) -> None:
    done = qwex("--help")
    assert done.code == 0
    assert "130  interrupted with Ctrl-C; the job goes on" in done.out
    assert qwex().out == done.out
    assert max(map(len, done.out.splitlines())) <= int(os.environ.get("COLUMNS", "80"))


def test_a_fault_of_qwex_shows_no_traceback(qwex: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import qwex.config\nqwex.config.load = lambda *a, **k: 1 / 0\n")
    done = qwex("list", PYTHONPATH=str(tmp_path))
    assert done.code == 1
    assert done.err.startswith("error: ZeroDivisionError")
    assert "QWEX_TRACEBACK=1" in done.err
    assert "Traceback" in qwex("list", PYTHONPATH=str(tmp_path), QWEX_TRACEBACK="1").err
