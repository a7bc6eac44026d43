"""A notebook with what its job has shown, from the job's log."""

from __future__ import annotations

import json

import nbformat
import pytest
from ipynb import code, notebook, prose

from qwex.controller import executed
from qwex.events import encode
from qwex.record import JobRecord
from qwex.spec import JobSpec, Source
from qwex.state import JobState

RECORD = JobRecord("nb-abc", "nb", "ada", "notebook", JobState.RUNNING, "local", 1.0, attempt=2)


def begins(number, id=None, **more):
    return "cell", {"id": id or f"cell-{number}", "number": number, "total": 9, **more}


def prints(text, name="stdout"):
    return "stream", {"name": name, "text": text}


def shows(text, id=None, type="display"):
    transient = {"display_id": id} if id else {}
    return type, {"data": {"text/plain": text}, "metadata": {}, "transient": transient}


def made(*records, cells=("a", "b"), parameters=None, attempt=2):
    """The outputs of each cell of code, in the words of ``brief``; the notebook is a valid one."""
    lines = b"".join(encode(type, 1.0, attempt, **fields) for type, fields in records)
    source = Source(kind="notebook", text=notebook(*cells))
    text = executed.executed(RECORD, JobSpec(source=source, parameters=parameters or {}), [lines])
    found = nbformat.reads(text.decode(), as_version=4)
    nbformat.validate(found)
    return found


def outputs(*records, **more):
    return [[brief(output) for output in cell.outputs] for cell in made(*records, **more).cells if "outputs" in cell]


def brief(output):
    if output.output_type == "stream":
        return f"{output.name}: {output.text}"
    return output.get("ename") or output.data["text/plain"]


def test_outputs_stand_with_their_cells():
    result = "result", {"data": {"text/plain": "4"}, "metadata": {}, "execution_count": 2}
    error = "error", {"ename": "KeyError", "evalue": "k", "traceback": ["..."], "frames": []}
    said = made(begins(1), prints("o"), prints("ne\n"), prints("e", "stderr"), begins(2), shows("d"), result, error)
    first, second = said.cells
    assert [brief(output) for output in first.outputs] == ["stdout: one\n", "stderr: e"]
    assert [output.output_type for output in second.outputs] == ["display_data", "execute_result", "error"]
    assert [cell.execution_count for cell in said.cells] == [1, 2]
    assert said.metadata.qwex == {"run_id": "nb-abc", "state": "RUNNING", "attempt": 2}


def test_before_it_runs_it_is_the_notebook_alone():
    assert outputs() == [[], []]
    assert [cell.execution_count for cell in made().cells] == [None, None]


def test_prose_stays_and_parameters_are_seen():
    said = made(cells=[prose("# T"), code("lr = 1", "parameters"), "lr"], parameters={"lr": 2})
    assert [cell.source for cell in said.cells] == ["# T", "lr = 1", "# Parameters\nlr = 2\n", "lr"]


def test_what_comes_before_the_first_cell_is_the_first_ones():
    assert outputs(prints("warning", "stderr"), begins(1)) == [["stderr: warning"], []]


def test_a_display_is_updated_wherever_it_stands():
    records = [begins(1), shows("old", "x"), begins(2), shows("again", "x"), shows("new", "x", "update_display")]
    assert outputs(*records, shows("nobody", "y", "update_display")) == [["new"], ["new"]]


def test_cleared_at_once_or_with_the_next_output():
    assert outputs(begins(1), prints("a"), ("clear_output", {"wait": False})) == [[], []]
    waits = ("clear_output", {"wait": True})
    assert outputs(begins(1), prints("a"), waits) == [["stdout: a"], []]
    assert outputs(begins(1), prints("a"), waits, prints("b")) == [["stdout: b"], []]
    assert outputs(begins(1), prints("a"), waits, begins(2), prints("b")) == [["stdout: a"], ["stdout: b"]]


def test_only_the_last_attempt_counts():
    assert outputs(begins(1), prints("first"), attempt=1) == [[], []]


def test_more_than_a_browser_opens_is_cut_and_said(monkeypatch):
    monkeypatch.setattr(executed, "_MOST", 1000)
    found = outputs(begins(1), prints("x" * 600), prints("y" * 600), prints("z"), begins(2), prints("a"))
    assert found == [
        [f"stdout: {'x' * 600}", "stderr: \n[qwex] more than can be shown in a notebook: qwex logs nb-abc\n"],
        [],
    ]


def test_what_is_cleared_takes_no_room(monkeypatch):
    monkeypatch.setattr(executed, "_MOST", 1000)
    repainted = [record for n in range(9) for record in (("clear_output", {"wait": True}), prints(str(n) * 600))]
    assert outputs(begins(1), *repainted, begins(2), prints("b")) == [[f"stdout: {'8' * 600}"], ["stdout: b"]]


@pytest.mark.parametrize("line", [b'{"type":"stream", damaged}\n', b'{"type":"cell"', b"\0\0\n"])
def test_a_damaged_line_is_passed_over(line):
    source = Source(kind="notebook", text=notebook("a"))
    text = executed.executed(RECORD, JobSpec(source=source), [line, encode("stream", 1.0, 2, name="stdout", text="on")])
    assert json.loads(text)["cells"][0]["outputs"][0]["text"] == "on"


@pytest.mark.parametrize(
    "record",
    [
        ("display", {"data": "no mapping", "metadata": {}, "transient": {}}),
        ("display", {"data": {"text/plain": "a"}, "metadata": [1], "transient": {}}),
        ("stream", {"name": "stdout", "text": 5}),
        ("cell", {"id": [], "number": 1}),
        ("error", {}),
    ],
)
def test_a_record_of_another_shape_is_passed_over(record):
    assert outputs(begins(1), record, prints("on")) == [["stdout: on"], []]


def test_passing_fields_of_another_shape_are_none():
    odd = "display", {"data": {"text/plain": "a"}, "metadata": {}, "transient": "s"}
    assert outputs(begins(1), odd) == [["a"], []]
