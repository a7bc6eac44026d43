"""Scripts, functions and commands."""

from __future__ import annotations

import base64
import hashlib
import json

import cloudpickle
import pytest

from .conftest import inline


def test_script_is_main_with_its_arguments(job):
    text = """
        import os, sys
        print(__name__, sys.argv, os.path.basename(__file__), sys.path[0] == os.getcwd() + "/pkg", os.getcwd())
        import beside
    """
    (job.work / "pkg").mkdir()
    (job.work / "pkg" / "beside.py").write_text("print('beside')")
    job.run("script", text, name="pkg/train.py", args=["--lr", "0.1"])
    assert job.text() == f"__main__ ['pkg/train.py', '--lr', '0.1'] train.py True {job.work}\nbeside\n"


def test_the_frozen_text_runs_whatever_the_file_holds(job):
    (job.work / "train.py").write_text("print('new')\n" * 9)
    job.run("script", "print('old')\nraise ValueError('from the old text')", name="train.py")
    assert job.text() == "old\n"
    assert job.error["frames"][0]["line"] == "raise ValueError('from the old text')"


def test_traceback_is_pythons_own(job):
    job.run("script", "def f():\n    try:\n        {}['k']\n    except KeyError:\n        raise ValueError('v')\n\nf()")
    rendered = "\n".join(job.error["traceback"])
    assert rendered.startswith("Traceback (most recent call last):\n")
    assert f'  File "{job.work}/job.py", line 7, in <module>\n    f()' in rendered
    assert "During handling of the above exception" in rendered
    assert "runner" not in rendered
    assert job.rc == 1
    assert job.exit["message"] == "ValueError: v"


def test_syntax_error(job):
    job.run("script", "x = 1\nx +\n")
    assert job.error["ename"] == "SyntaxError"
    assert "line 2" in "\n".join(job.error["traceback"])


def test_the_scripts_own_excepthook_is_called(job):
    job.run("script", "import sys\nsys.excepthook = lambda t, e, tb: print('hook', e)\nraise ValueError(5)")
    assert job.text() == "hook 5\n"
    assert job.error["evalue"] == "5"


def test_end_is_that_of_python(job):
    """Threads are waited for, exit functions run, files left open are written, objects finalised."""
    text = """
        import atexit, threading
        atexit.register(print, "atexit")
        class Thing:
            def __del__(self): print("deleted")
        thing = Thing()
        file = open("left", "w"); file.write("open")
        threading.Thread(target=lambda: (threading.Event().wait(0.05), print("thread"))).start()
        print("end of script")
    """
    job.run("script", text)
    assert sorted(job.text().splitlines()) == ["atexit", "deleted", "end of script", "thread"]
    assert (job.work / "left").read_text() == "open"


def test_an_output_that_is_not_set_is_told_with_those_that_are(job):
    job.run("script", "import os\nmodel, loss = 1, 2", outputs=["nothere"])
    assert (job.rc, job.error["evalue"]) == (1, "the job set no value 'nothere'; it set: model, loss")
    assert job.error["traceback"] == [job.error["evalue"]]


def test_script_outputs(job):
    job.run("script", "model = {'w': 1}", outputs=["model"])
    assert job.value("model") == {"w": 1}


def test_script_that_forks_and_falls_through_ends_once(job):
    job.run("script", "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nvalue = bool(pid)", outputs=["value"])
    assert len(job.of("value")) == len(job.of("exit")) == 1
    assert job.value("value") is True


def function(job, thing, *args, **kwargs):
    blob = base64.b64encode(cloudpickle.dumps(thing)).decode()
    inputs = {"__function__": {"format": "cloudpickle", "data": blob}, "__call__": inline((args, kwargs))}
    return job.run("function", inputs=inputs)


def test_function_returns_its_value(job):
    function(job, lambda a, b=0: a + b, 1, b=2)
    assert job.rc == 0
    assert job.value("return") == 3
    assert job.of("value")[0]["name"] == "return"


def test_coroutine_function(job):
    async def later(value):
        return value

    cloudpickle.register_pickle_by_value(__import__(__name__, fromlist=["x"]))
    function(job, later, 5)
    assert job.value("return") == 5


def test_function_that_raises(job):
    def fails():
        raise LookupError("nothing")

    function(job, fails)
    assert job.rc == 1
    assert (job.error["ename"], job.error["frames"][-1]["name"]) == ("LookupError", "fails")
    assert len(job.error["frames"]) == 1


def test_input_from_a_blob(job):
    data = cloudpickle.dumps([1, 2])
    (job.path / "blob").write_bytes(data)
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    value = {"digest": digest, "format": "cloudpickle", "data": ""}
    blobs = {digest: (job.path / "blob").as_uri()}
    job.run("script", "print(x, y)", inputs={"x": value, "y": {"format": "json", "data": "WzFd"}}, blobs=blobs)
    assert job.text() == "[1, 2] [1]\n"


@pytest.mark.parametrize(("words", "code"), [(["sh", "-c", "echo out; echo err >&2; exit 3"], 3), (["true"], 0)])
def test_command(job, words, code):
    job.run("command", args=words)
    assert job.rc == code
    assert job.exit["reason"] == ("ExitCode" if code else "")
    assert (job.text(), job.text("stderr")) == (("out\n", "err\n") if code else ("", ""))


def test_command_that_does_not_exist(job):
    job.run("command", args=["no-such-program"])
    assert job.rc == 127
    assert job.exit["reason"] == "StartFailed"
    assert job.exit["message"] == "Command not found: no-such-program"


def test_command_that_is_not_executable(job):
    (job.work / "data").write_text("x")
    job.run("command", args=["./data"])
    assert job.rc == 126
    assert "Permission denied" in job.exit["message"]


def test_command_in_a_pipe_sees_the_pipe_close(job):
    job.run("command", args=["sh", "-c", "yes | head -n 1"])
    assert job.text() == "y\n"
    assert job.text("stderr") == ""


def test_environment_is_the_clients(job):
    environment = job.path / "environment.json"
    environment.write_text(json.dumps({"PATH": "/usr/bin:/bin", "CLIENT": "1", "WINS": "no"}))
    job.run("command", args=["env"], environment=str(environment), env={"WINS": "yes"})
    seen = dict(line.split("=", 1) for line in job.text().splitlines())
    assert (seen["CLIENT"], seen["WINS"], seen["QWEX_RUN_ID"], seen["QWEX_ATTEMPT"]) == ("1", "yes", "job-abc123", "1")
    assert "HOME" not in seen


def test_pythonpath_of_the_client_is_searched(job):
    (job.path / "lib").mkdir()
    (job.path / "lib" / "theirs.py").write_text("print('theirs')")
    job.run("script", "import theirs", env={"PYTHONPATH": str(job.path / "lib")})
    assert job.text() == "theirs\n"


def test_working_folder_that_is_gone(job):
    job.run("script", "1", cwd="/no/such/folder")
    assert job.rc == 126
    assert job.exit["reason"] == "StartFailed"
    assert "/no/such/folder" in job.exit["message"]


def test_job_description_that_is_broken(job):
    job.write("script", "1")
    (job.path / "job.json").write_text("{")
    job.start().join()
    assert job.exit["reason"] == "StartFailed"
    assert [r["type"] for r in job.records] == ["start", "exit"]


def test_a_claimed_folder_is_left_alone(job):
    job.write("script", "open('ran', 'w')")
    (job.path / "events.jsonl").write_text("")
    job.start().join()
    assert job.rc == 0
    assert not (job.work / "ran").exists()
    assert job.records == []


def test_code_of_another_python_is_refused_before_it_crashes(job):
    value = {**inline(divmod), "python": "3.1"}
    job.run("function", inputs={"__function__": value, "__call__": inline(((7, 2), {}))})
    assert job.error["evalue"].startswith(
        "the function cannot be loaded here: there is code in it from Python 3.1, and"
    )
