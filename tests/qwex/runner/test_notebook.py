"""Notebooks: their cells one after the other in one namespace."""

from __future__ import annotations

import pytest


def run(job, *texts, may_raise=(), **fields):
    cells = [{"id": f"c{n}", "text": text, "may_raise": n in may_raise} for n, text in enumerate(texts, 1)]
    return job.run("notebook", cells=cells, **fields)


def test_cells_share_a_namespace_and_say_where_they_begin(job):
    run(job, "x = 1\nprint('one')", "y = x + 1\ny", "print(y)", outputs=["y"])
    assert job.rc == 0
    assert [(r["type"], r.get("id")) for r in job.of("cell", "stream", "result")] == [
        ("cell", "c1"), ("stream", None), ("cell", "c2"), ("result", None), ("cell", "c3"), ("stream", None),
    ]  # fmt: skip
    assert [(r["number"], r["total"]) for r in job.of("cell")] == [(1, 3), (2, 3), (3, 3)]
    assert job.of("result")[0]["execution_count"] == 2
    assert job.value("y") == 2


def test_the_first_error_ends_it(job):
    run(job, "print('one')", "def f():\n    1/0\nf()", "print('never')")
    assert (job.rc, job.exit["reason"], job.text()) == (1, "Exception", "one\n")
    assert [(f["filename"], f["lineno"]) for f in job.error["frames"]] == [("Cell In[2]", 3), ("Cell In[2]", 2)]
    assert "ZeroDivisionError" in job.exit["message"]


def test_an_error_that_is_allowed(job):
    run(job, "1/0", "print('on')", may_raise={1})
    assert (job.rc, job.exit["reason"], job.text()) == (0, "", "on\n")
    assert job.error["ename"] == "ZeroDivisionError"


def test_a_cell_may_end_the_job(job):
    run(job, "import sys", "sys.exit(3)", "print('never')")
    assert (job.rc, job.exit["reason"], job.text()) == (3, "ExitCode", "")


def test_figures_stand_with_their_cells(job):
    pytest.importorskip("matplotlib_inline")
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    run(job, draw, "print('after')", env={"MPLCONFIGDIR": str(job.path)})
    assert [r["type"] for r in job.of("cell", "display", "stream")] == ["cell", "display", "cell", "stream"]


def test_what_one_cell_begins_another_awaits(job):
    begin = "import asyncio\ntask = asyncio.create_task(asyncio.sleep(0.01, 'done'))"
    run(job, begin, "await task", "print('and', await asyncio.sleep(0, 'on'))")
    assert job.rc == 0, job.records
    assert job.of("result")[0]["data"]["text/plain"] == "'done'"
    assert job.text() == "and on\n"


def test_what_it_set_before_it_ended_itself_is_kept(job):
    run(job, "import sys\nx = 1", "sys.exit(0)", outputs=["x"])
    assert (job.rc, job.value("x")) == (0, 1)


def test_without_ipython(bare):
    run(bare, "x = 1", "x + 1", "1/0", may_raise={3})
    assert bare.rc == 0
    assert bare.of("result")[0]["data"]["text/plain"] == "2"
    assert [r["number"] for r in bare.of("cell")] == [1, 2, 3]
