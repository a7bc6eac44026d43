"""``qwex.submit`` and its siblings."""

from __future__ import annotations

import base64
import json
import pickle
import threading

import pytest
from ipynb import code, notebook

import qwex
from qwex.client.keywords import Keywords
from qwex.errors import CaptureError, InvalidSpec
from qwex.options import SubmitOptions
from qwex.spec import INLINE_LIMIT


@pytest.fixture(autouse=True)
def controller(small):
    return small


def sent(small) -> dict:
    return small.bodies[-1]["spec"]


def unpacked(value: dict):
    return pickle.loads(base64.b64decode(value["data"]))


def test_every_option_is_a_keyword():
    assert set(Keywords.__annotations__) == set(SubmitOptions.model_fields)


def test_a_script_is_frozen(small, tmp_path, monkeypatch):
    (tmp_path / "train.py").write_text("print(1)")
    monkeypatch.chdir(tmp_path)
    job = qwex.submit("train.py", args=["--lr", 0.1], gpu=1, env={"A": "b"}, tag=["t=1"], time="15m")
    spec = sent(small)
    assert job.id.startswith("train-")
    assert spec["source"] == {"kind": "script", "text": "print(1)", "name": str(tmp_path / "train.py")}
    assert spec["args"] == ["--lr", "0.1"]
    assert spec["resources"] == {"gpu": "1"}
    assert (spec["env"], spec["tags"], spec["timeout"]) == ({"A": "b"}, {"t": "1"}, 900.0)
    assert small.bodies[-1]["origin"]["cwd"] == str(tmp_path)


def test_a_notebook_with_parameters(small, tmp_path):
    (tmp_path / "train.ipynb").write_text(notebook(code("lr = 1\nmodel = None", "parameters")))
    job = qwex.submit(tmp_path / "train.ipynb", parameters={"lr": 0.5}, outputs=["model"])
    assert job.id.startswith("train-")
    assert (sent(small)["source"]["kind"], sent(small)["parameters"]) == ("notebook", {"lr": 0.5})
    assert sent(small)["outputs"] == ["model"]
    for work in (["ls"], divmod):
        with pytest.raises(InvalidSpec, match="only a notebook takes these"):
            qwex.submit(work, parameters={"lr": 1})


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_job_spec_is_no_script(small, tmp_path, suffix):
    (tmp_path / "work.py").write_text("x = 1")
    described = tmp_path / f"job{suffix}"
    spec = {"source": {"kind": "script", "path": "work.py"}, "resources": {"cpu": "1", "memory": "2Gi"}}
    described.write_text(json.dumps(spec))  # JSON is YAML too
    qwex.submit(described, args=["--lr"], cpu=2, outputs=["x"])
    assert sent(small)["source"]["text"] == "x = 1"
    assert sent(small)["resources"] == {"cpu": "2", "memory": "2Gi"}
    assert (sent(small)["args"], sent(small)["outputs"]) == (["--lr"], ["x"])


def test_a_script_that_is_no_python_is_refused(small, tmp_path):
    (tmp_path / "bad.py").write_text("x = = 1")
    with pytest.raises(InvalidSpec, match=r"line 1: invalid syntax\. Nothing was submitted"):
        qwex.submit(tmp_path / "bad.py")


def test_a_command(small):
    qwex.submit(["/bin/echo", "hello"], name="greeting")
    assert sent(small)["args"] == ["/bin/echo", "hello"]
    assert sent(small)["source"] == {"kind": "command", "name": "echo"}


def test_a_function(small):
    offset = 10

    def add(a, b=0):
        return a + b + offset

    qwex.submit(add, 1, kwargs={"b": 2}, cpu=2)
    inputs = sent(small)["inputs"]
    args, kwargs = unpacked(inputs["__call__"])
    assert unpacked(inputs["__function__"])(*args, **kwargs) == 13
    assert "return a + b + offset" in sent(small)["source"]["text"]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: qwex.submit("no-such-file.py"), r"no file 'no-such-file.py'\. A command is written: qwex\.submit"),
        (lambda: qwex.submit([]), "at least one word"),
        (lambda: qwex.submit(["ls"], gpus=1), r"gpus: no such field.* Did you mean 'gpu'\?"),
        (lambda: qwex.submit(["ls"], cpu="many", mem="much"), "(?s)cpu.*mem"),
        (lambda: qwex.submit(["ls"], kwargs={"a": 1}), "only a function"),
    ],
)
def test_problems_are_found_before_anything_is_sent(small, call, problem):
    with pytest.raises(InvalidSpec, match=problem):
        call()
    assert small.bodies == []


def test_defaults_of_the_project(small, tmp_path, monkeypatch):
    (tmp_path / "qwex.toml").write_text('queue = "team"\n[submit]\ncpu = 4\nmem = "1Gi"\n')
    monkeypatch.chdir(tmp_path)
    qwex.submit(["ls"], cpu=2)
    assert sent(small)["resources"] == {"cpu": "2", "memory": "1Gi"}
    assert sent(small)["queue"] == "team"


def test_remote(small):
    @qwex.remote(cpu=2)
    def square(n):
        """n times n."""
        return n * n

    assert square(3) == 9
    assert square.__doc__ == "n times n."
    square.submit(4)
    assert sent(small)["resources"] == {"cpu": "2"}
    square.options(gpu=1).submit(n=5)
    assert sent(small)["resources"] == {"cpu": "2", "gpu": "1"}
    assert unpacked(sent(small)["inputs"]["__call__"]) == ((), {"n": 5})
    assert "square(cpu=2)" in repr(square)


def test_remote_without_parentheses(small):
    @qwex.remote
    def half(n):
        return n / 2

    half.submit(3)
    assert unpacked(sent(small)["inputs"]["__function__"])(3) == 1.5


def test_map_submits_all_in_one_request(small):
    jobs = qwex.map(lambda a, b: a + b, [1, 2, 3], [10, 20, 30], cpu=1)
    batch = small.bodies[-1]["jobs"]
    assert len(jobs) == len(small.bodies) + 2 == 3
    assert [unpacked(job["spec"]["inputs"]["__call__"])[0] for job in batch] == [(1, 10), (2, 20), (3, 30)]
    assert len({job["spec"]["group"] for job in batch}) == 1
    assert len({job["run_id"] for job in batch}) == 3


def test_a_map_of_many_sends_the_function_once(small):
    qwex.map(lambda n: n + 1, range(2000))
    values = [job["spec"]["inputs"]["__function__"] for job in small.bodies[-1]["jobs"]]
    assert len(values) == 2000
    assert len({value["digest"] for value in values}) == 1
    assert not any("data" in value for value in values)
    assert pickle.loads(small.blobs[values[0]["digest"]])(1) == 2


def test_large_arguments_travel_as_blobs(small):
    qwex.submit(len, bytes(INLINE_LIMIT * 2))
    value = sent(small)["inputs"]["__call__"]
    assert "data" not in value
    assert pickle.loads(small.blobs[value["digest"]]) == ((bytes(INLINE_LIMIT * 2),), {})


def test_what_cannot_be_sent_is_named_before_anything_is_sent(small):
    with pytest.raises(CaptureError, match=r"argument 1 of len\(\) cannot be sent: it is a _thread.lock"):
        qwex.submit(len, threading.Lock())
    assert small.bodies == []


def test_jobs_and_attach(small):
    small.add("a-1", "RUNNING")
    jobs = qwex.jobs(user="me", state=["RUNNING", "QUEUED"], limit=5)
    assert [job.id for job in jobs] == ["a-1"]
    assert small.bodies[-1] == {"user": "me", "state": "RUNNING,QUEUED", "limit": "5"}
    assert qwex.attach("a-1").state == "RUNNING"


def test_a_client_for_each_controller(small, monkeypatch):
    from qwex.client.sdk import client

    first = client()
    assert client() is first
    monkeypatch.setenv("QWEX_QUEUE", "other")
    assert client() is not first
