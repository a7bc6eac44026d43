"""From arguments to a job, with clear answers to what cannot be one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ipynb import code, notebook, prose

from qwex.cli import jobspec
from qwex.errors import ConfigError, InvalidSpec
from qwex.options import SubmitOptions
from qwex.spec import Notebook

if TYPE_CHECKING:
    from pathlib import Path

    from qwex.spec import JobSpec


@pytest.fixture(autouse=True)
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def build(work: str | None = None, rest: tuple[str, ...] = (), **given: Any) -> JobSpec:
    nothing: dict[str, Any] = dict.fromkeys((*SubmitOptions.model_fields, "param"))
    return jobspec.build(work, rest, {**nothing, **given})


def refused(work: str | None = None, rest: tuple[str, ...] = (), **given: Any) -> str:
    with pytest.raises(InvalidSpec) as caught:
        build(work, rest, **given)
    return caught.value.message


def test_a_script_with_arguments(folder: Path) -> None:
    (folder / "train.py").write_text("print(1)")
    spec = build("train.py", rest=("fast", "--lr", "0.1"), gpu="1")
    assert (spec.source.kind, spec.source.text, spec.source.name) == ("script", "print(1)", str(folder / "train.py"))
    assert spec.args == ("fast", "--lr", "0.1")
    assert spec.resources.gpu == "1"


def test_a_command() -> None:
    spec = build(rest=("/bin/echo", "a b", "--x"))
    assert (spec.source.kind, spec.source.name, spec.args) == ("command", "echo", ("/bin/echo", "a b", "--x"))


def test_defaults_of_the_project(folder: Path) -> None:
    (folder / "qwex.toml").write_text('[submit]\nqueue = "night"\nmem = "1Gi"\n')
    spec = build(rest=("true",), mem="2Gi")
    assert (spec.queue, spec.resources.memory) == ("night", "2Gi")


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_described_job(folder: Path, suffix: str) -> None:
    (folder / "qwex.toml").write_text('[submit]\nqueue = "night"\ncpu = "2"\ntag = ["a=1"]\n')
    raw = {"source": {"kind": "command"}, "args": ["true"], "resources": {"memory": "1Gi"}, "tags": {"b": "2"}}
    # JSON is YAML too.
    (folder / f"job.{suffix}").write_text(json.dumps({**raw, "queue": "day"}))
    spec = build(f"job.{suffix}", gpu="1", name="named")
    assert (spec.queue, spec.name, spec.args) == ("day", "named", ("true",))
    assert (spec.resources.cpu, spec.resources.memory, spec.resources.gpu) == ("2", "1Gi", "1")
    assert spec.tags == {"a": "1", "b": "2"}


def test_a_described_script_is_read_from_beside_the_description(folder: Path) -> None:
    (folder / "jobs").mkdir()
    (folder / "jobs" / "train.py").write_text("print(2)")
    for word in ("name", "path"):
        (folder / "jobs" / "train.yaml").write_text(f"source: {{kind: script, {word}: train.py}}\n")
        spec = build("jobs/train.yaml", rest=("--lr", "1"))
        assert (spec.source.text, spec.args) == ("print(2)", ("--lr", "1"))
        assert spec.source.name == str(folder / "jobs" / "train.py")


def test_a_described_command_keeps_its_words(folder: Path) -> None:
    (folder / "job.yaml").write_text("source: {kind: command}\nargs: [make, all]\n")
    said = refused("job.yaml", rest=("make", "a b"))
    assert "job.yaml has a command of its own. Change its args there" in said
    assert said.endswith("qwex submit -- make 'a b'")


def test_an_unknown_default_names_its_file(folder: Path) -> None:
    (folder / "qwex.toml").write_text('[submit]\nquue = "night"\n')
    with pytest.raises(ConfigError) as caught:
        build(rest=("true",))
    assert caught.value.message.startswith(f"{folder / 'qwex.toml'}: [submit] has no 'quue'. Did you mean 'queue'?")


def test_changes_are_only_what_was_given() -> None:
    assert jobspec.changes(SubmitOptions.read({"mem": "2Gi"})) == {"resources": {"memory": "2Gi"}}
    assert jobspec.changes(SubmitOptions.read({"env": ["A=1"], "priority": 2})) == {"env": {"A": "1"}, "priority": 2}
    assert jobspec.changes(SubmitOptions.read({})) == {}


def test_what_is_missing(folder: Path) -> None:
    (folder / "train.py").write_text("print(1)")
    assert "what to run?" in refused()
    assert "Did you mean 'train.py'?" in refused("trian.py")
    assert "no file 'nowhere/train.py'" in refused("nowhere/train.py")
    assert "Is a directory" in refused(".")


def test_what_is_no_python_script(folder: Path) -> None:
    (folder / "bad.py").write_text("def f(:\n")
    (folder / "run.sh").write_text("#!/bin/sh\ntrue\n")
    (folder / "data.bin").write_bytes(b"\xff\xfe\x00")
    (folder / "empty.py").write_text("\n")
    assert "bad.py, line 1: invalid syntax" in refused("bad.py")
    assert "qwex submit -- ./run.sh" in refused("run.sh")
    assert "qwex submit -- data.bin" in refused("data.bin")
    assert "the script is empty" in refused("empty.py")


def test_a_notebook_with_parameters(folder: Path) -> None:
    (folder / "in").mkdir()
    (folder / "in" / "a.ipynb").write_text(notebook("%%qwex\n%matplotlib inline", code("lr = 1\nn = 2", "parameters")))
    spec = build("in/a.ipynb", param=("lr=0.5", "n=x"), gpu="1")
    path = str(folder / "in" / "a.ipynb")
    assert (spec.source.kind, spec.source.name, spec.title) == ("notebook", path, "a.ipynb")
    assert "old" not in spec.source.text
    assert (spec.parameters, spec.resources.gpu) == ({"lr": 0.5, "n": "x"}, "1")
    assert spec.notebook == Notebook(path=path)


def test_what_is_no_notebook(folder: Path) -> None:
    texts = {"bad": notebook("x = 1", "y =\n", code("z =", "raises-exception")), "r": "{}", "empty": notebook(" ")}
    for name, text in texts.items():
        (folder / f"{name}.ipynb").write_text(text)
    lines = ("await x", "!ls", "x?", "files = !ls", "x = %time f()", "/f 1", "def f():\n    !ls", ",f a b")
    (folder / "ok.ipynb").write_text(notebook(*lines, code("lr = 1", "parameters")))
    assert "bad.ipynb, cell 2 of those with code, line 1: invalid syntax" in refused("bad.ipynb")
    assert build("bad.ipynb", python="/opt/python").source.kind == "notebook"
    assert "r.ipynb: not a notebook: it has no nbformat" in refused("r.ipynb")
    assert "the notebook has no code" in refused("empty.ipynb")
    assert "takes no arguments but parameters" in refused("ok.ipynb", rest=("--lr", "1"))
    assert "no parameter 'lrr'. Did you mean 'lr'?" in refused("ok.ipynb", param=("lrr=1",))
    assert "'lr' is not of the form K=V" in refused("ok.ipynb", param=("lr",))
    assert "only a notebook has parameters" in refused(rest=("ls",), param=("lr=1",))
    (folder / "a.py").write_text("1")
    assert "only a notebook has them, not a script" in refused("a.py", param=("lr=1",))


def test_a_notebook_that_is_too_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwex.client.notebookfile.LONGEST_TEXT", 1000)
    (folder / "a.ipynb").write_text(notebook("1", prose("x" * 1000)))
    assert "kB without its outputs, and 1.0 kB is the most. Keep what is large" in refused("a.ipynb")


def test_a_byte_order_mark_is_no_part_of_it(folder: Path) -> None:
    (folder / "a.ipynb").write_text(notebook("1"), encoding="utf-8-sig")
    (folder / "a.py").write_text("print(1)", encoding="utf-8-sig")
    assert build("a.ipynb").source.kind == "notebook"
    assert build("a.py").source.text == "print(1)"


def test_a_described_notebook(folder: Path) -> None:
    (folder / "a.ipynb").write_text(notebook(code("lr = 1\nn = 2", "parameters")))
    (folder / "job.yaml").write_text("source: {kind: notebook, path: a.ipynb}\nparameters: {lr: [1, 2], n: {a: 3}}\n")
    spec = build("job.yaml", param=("n={'b': 4}",))
    assert (spec.source.name, spec.parameters) == (str(folder / "a.ipynb"), {"lr": [1, 2], "n": {"b": 4}})
    assert spec.notebook == Notebook(path=str(folder / "a.ipynb"))
    assert "old" not in spec.source.text
    (folder / "a.ipynb").write_text("{}")
    assert "a.ipynb: not a notebook" in refused("job.yaml")


def test_another_python_may_know_another_syntax(folder: Path) -> None:
    (folder / "new.py").write_text("def f(:\n")
    assert build("new.py", python="/opt/python").runtime.python == "/opt/python"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("source: [", "job.yaml: while parsing"),
        ("- a", "job.yaml: a job spec is a mapping"),
        ("source: {kind: command}\nargs: [a]\nquue: x", "quue: no such field. Did you mean 'queue'?"),
        ("source: {kind: script, path: a.py, text: x}", "leave one of them out"),
        (
            "source: {kind: command}\nargs: [a]\nresources: {gpus: 1}",
            "resources.gpus: no such field. Did you mean 'gpu'?",
        ),
        ("source: {kind: script, name: gone.py}", "no file"),
        ("source: {kind: command}\nargs: [a]\nresources: {gpu: -1}", "resources.gpu"),
    ],
)
def test_a_bad_description(folder: Path, text: str, said: str) -> None:
    (folder / "job.yaml").write_text(text)
    assert said in refused("job.yaml")


def test_all_problems_at_once() -> None:
    with pytest.raises(InvalidSpec) as caught:
        build(rest=("true",), gpu="0", mem="-1", cpu="0")
    assert {field for field, _ in caught.value.problems} == {"gpu", "mem", "cpu"}
