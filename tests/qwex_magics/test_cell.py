from __future__ import annotations

import pytest

from qwex_magics import cell


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "%time x",
        "!ls",
        "files = !ls",
        "await thing()",
        "%%bash\nif [ ! -e x ; then",
        "async with a as b: pass",
    ],
)
def test_what_ipython_accepts_is_accepted(shell, source):
    cell.check(shell, source, 1)


@pytest.mark.parametrize(
    ("source", "line"),
    [("x = = 1", 2), ("\n\nx = = 1", 4), ("a = 1\nreturn a", 3), ("def f(:\n  pass", 2), ("!ls\nx =", 3)],
)
def test_a_syntax_error_has_the_notebooks_line(shell, source, line):
    with pytest.raises(cell.CellSyntaxError) as raised:
        cell.check(shell, source, 1)
    rendered = "\n".join(raised.value._render_traceback_())
    assert f", line {line}\n" in rendered
    assert "SyntaxError: " in rendered
    assert rendered.endswith("Nothing was submitted.")


def test_lines_above_are_counted_in_the_notebooks_cell(shell):
    shell.history_manager.input_hist_raw.append("\n\n%%qwex --gpu 1\nx = 1\ny = 2")
    assert cell.lines_above(shell, "x = 1\ny = 2\n") == 3
    assert cell.lines_above(shell, "another cell") == 1


def test_the_notebook_is_what_the_front_end_said(shell, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "/notebooks/first_job.ipynb")
    shell.get_parent = lambda: {"metadata": {"cellId": "abc"}}
    assert cell.notebook(shell) == {"path": "/notebooks/first_job.ipynb", "cell_id": "abc"}
    assert cell.stem("/notebooks/first_job.ipynb") == "first_job"


def test_no_notebook_is_nothing(shell, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert cell.notebook(shell) == {}
