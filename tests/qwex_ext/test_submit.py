"""A file of the Jupyter server as a job."""

from __future__ import annotations

import json
import sys

import pytest
from ipynb import code, notebook

SCRIPT = "import os, sys; print(sys.executable, os.getcwd(), sys.argv[1:], os.environ['OF_THE_SERVER'])"


@pytest.fixture
def script(jp_root_dir):
    """A script in a folder of the server's files; its path as JupyterLab has it."""
    file = jp_root_dir / "a folder" / "train.py"
    file.parent.mkdir()
    file.write_text(SCRIPT)
    return "a folder/train.py"


async def output(ask, run_id: str) -> str:
    answer = await ask(f"qwex/api/jobs/{run_id}/logs?follow=1")
    return answer.body.decode()


async def test_a_script_runs_in_its_folder(script, jp_root_dir, post, ask, monkeypatch):
    monkeypatch.setenv("OF_THE_SERVER", "its own")
    status, record = await post("qwex/submit", {"path": script, "args": ["--lr", "0.1"], "flags": {"name": "slow"}})
    assert (status, record["name"], record["kind"]) == (201, "slow", "script")
    printed = await output(ask, record["id"])
    assert printed == f"{sys.executable} {jp_root_dir / 'a folder'} ['--lr', '0.1'] its own\n"
    assert json.loads((await ask(f"qwex/api/jobs/{record['id']}")).body)["state"] == "SUCCEEDED"


async def test_a_notebook_with_parameters(script, jp_root_dir, post, ask):
    file = jp_root_dir / "a folder" / "train.ipynb"
    file.write_text(notebook(code("lr = 1", "parameters"), "import os\nprint(lr, os.getcwd())"))
    status, record = await post("qwex/submit", {"path": "a folder/train.ipynb", "params": ["lr=0.5"]})
    assert (status, record["kind"], record["notebook"]["path"]) == (201, "notebook", str(file))
    assert await output(ask, record["id"]) == f"0.5 {file.parent}\n"
    run = json.loads((await ask(f"qwex/api/jobs/{record['id']}/notebook")).body)
    assert [len(cell["outputs"]) for cell in run["cells"]] == [0, 0, 1]


async def test_what_a_notebook_may_be_given(jp_root_dir, ask):
    texts = {"a": notebook(code("lr = 0.1  # rate", "parameters")), "b": notebook("lr = 1"), "c": "{}"}
    for name, text in texts.items():
        (jp_root_dir / f"{name}.ipynb").write_text(text)
    (jp_root_dir / "a.py").write_text("pass")
    answers = [await ask(f"qwex/submit?path={name}") for name in ("a.ipynb", "b.ipynb", "a.py", "c.ipynb", "d.ipynb")]
    assert [answer.code for answer in answers] == [200, 200, 200, 400, 404]
    assert [json.loads(answer.body)["parameters"] for answer in answers[:3]] == [{"lr": "0.1"}, None, None]
    assert "c.ipynb: not a notebook" in json.loads(answers[3].body)["detail"]


async def test_a_notebook_runs_with_the_python_of_its_kernel(jp_root_dir, jp_kernel_dir, post):
    spec = {"argv": ["/of/the/kernel/python3"], "display_name": "of", "language": "python"}
    (jp_kernel_dir / "of").mkdir()
    (jp_kernel_dir / "of" / "kernel.json").write_text(json.dumps(spec))
    for name, of in (("known", "of"), ("unknown", "of-another-machine")):
        text = notebook("1", metadata={"kernelspec": {"name": of, "display_name": of}})
        (jp_root_dir / f"{name}.ipynb").write_text(text)
    for name, python in (("known", "/of/the/kernel/python3"), ("unknown", sys.executable)):
        _, said = await post("qwex/submit", {"path": f"{name}.ipynb", "preview": True})
        assert json.loads(said["rendered"])["python"] == python


async def test_a_preview_stores_nothing(script, post, ask):
    status, said = await post("qwex/submit", {"path": script, "flags": {"cpu": "1"}, "preview": True})
    assert status == 200
    assert set(said) == {"why", "rendered"}
    assert "train.py" in said["rendered"]
    assert json.loads((await ask("qwex/api/jobs")).body)["total"] == 0


async def test_the_projects_defaults(script, jp_root_dir, post, ask):
    (jp_root_dir / "a folder" / "qwex.toml").write_text(
        'url = "http://127.0.0.1:9"\n[submit]\nname = "of the project"\ncwd = "inner"\ntag = ["a=1"]\n'
    )
    status, record = await post("qwex/submit", {"path": script, "flags": {"name": "mine"}})
    assert (status, record["name"], record["tags"]) == (201, "mine", {"a": "1"})
    spec = json.loads((await ask(f"qwex/api/jobs/{record['id']}/spec")).body)
    assert spec["cwd"] == str(jp_root_dir / "a folder" / "inner")


async def test_a_described_job(jp_root_dir, post, ask):
    (jp_root_dir / "job.yaml").write_text("source: {kind: command}\nargs: [echo, hello]\n")
    status, record = await post("qwex/submit", {"path": "/job.yaml"})
    assert status == 201
    assert await output(ask, record["id"]) == "hello\n"


@pytest.mark.parametrize("path", ["none.py", "../train.py", "/../../etc/passwd", ".hidden/a.py", "a folder", "a\0b"])
async def test_files_that_jupyter_would_not_show(script, jp_root_dir, post, path):
    (jp_root_dir.parent / "train.py").write_text("1")
    (jp_root_dir / ".hidden").mkdir()
    (jp_root_dir / ".hidden" / "a.py").write_text("1")
    status, problem = await post("qwex/submit", {"path": path})
    assert (status, problem["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"flags": {"gpu": "A100:few"}}, "gpu"),
        ({"flags": {"gpu": "99"}}, "resources.gpu"),
        ({"flags": {"gpuu": 1}}, "gpuu"),
        ({"flags": {"cwd": []}, "args": ["\0"]}, "args.0"),
        ({"kernel": "pythn3"}, "kernel"),
        ({"args": "--lr 1"}, "args"),
        ({"parameters": {"lr": 1}}, "parameters"),
        ({"pathh": "x"}, "pathh"),
    ],
)
async def test_what_is_wrong_is_named(script, post, wrong, field):
    status, problem = await post("qwex/submit", {"path": script, **wrong})
    assert (status, problem["code"]) == (400, "invalid-spec")
    assert [one["field"] for one in problem["problems"]] == [field]


async def test_a_script_that_is_none(script, jp_root_dir, post, home):
    (jp_root_dir / "a folder" / "train.py").write_text("def f(:\n")
    status, problem = await post("qwex/submit", {"path": script})
    assert (status, problem["code"]) == (400, "invalid-spec")
    assert "line 1" in problem["detail"]
    assert not home.exists()


async def test_the_interpreter_of_a_kernel(script, jp_kernel_dir, tmp_path, post, ask, monkeypatch):
    monkeypatch.setenv("OF_THE_SERVER", "x")
    python = tmp_path / "bin" / "python3.99"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    for name, program in {"other": str(python), "bare": "python3", "ir": "/usr/bin/R"}.items():
        (jp_kernel_dir / name).mkdir()
        spec = {"argv": [program, "-f", "{connection_file}"], "display_name": name, "language": name}
        (jp_kernel_dir / name / "kernel.json").write_text(json.dumps(spec))
    for name, expected in {"other": str(python), "bare": sys.executable, "ir": sys.executable}.items():
        _, record = await post("qwex/submit", {"path": script, "kernel": name})
        assert (await output(ask, record["id"])).startswith(f"{expected} ")
