"""The first notebook, executed as a person would, from top to bottom; what it tells people to look at is there."""

from __future__ import annotations

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_first_job.ipynb"
CARD = "application/vnd.qwex.job.v1+json"


@pytest.fixture
def executed(home, tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="the demo extra is not installed")
    pytest.importorskip("sklearn", reason="the demo extra is not installed")
    pytest.importorskip("matplotlib", reason="the demo extra is not installed")
    from nbclient import NotebookClient

    book = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(book, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    return book


def cell(book, text):
    """The one code cell that holds ``text``."""
    found = [c for c in book.cells if c.cell_type == "code" and text in c.source]
    assert len(found) == 1, f"{len(found)} cells hold {text!r}"
    return found[0]


def printed(cell):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


def results(cell):
    return [o.data["text/plain"] for o in cell.outputs if o.output_type == "execute_result"]


def card(cell):
    (found,) = [o.data for o in cell.outputs if CARD in o.get("data", {})]
    return found[CARD]


def pictures(cell):
    return [o for o in cell.outputs if "image/png" in o.get("data", {})]


def error(cell):
    (found,) = [o for o in cell.outputs if o.output_type == "error"]
    return "\n".join(found.traceback)


@pytest.mark.timeout(300)
def test_what_the_notebook_tells_people_to_look_at_is_there(executed):
    first = cell(executed, "hello from process")
    assert card(first)["state"] == "SUCCEEDED"
    assert "hello from process" in printed(first)
    assert results(first) == ["42"]
    assert printed(first).split()[-1] != printed(cell(executed, "the notebook is process")).split()[-1]

    training = cell(executed, "--name train-digits")
    assert card(training)["line"].endswith("model, scores → here")
    assert printed(training).count("of the test pictures read correctly") == 6
    assert len(pictures(training)) == 1
    local = cell(executed, "guesses = ")
    assert "MLPClassifier" in printed(local)
    assert len(pictures(local)) == 1

    (jobs,) = results(cell(executed, "%qwex list"))
    assert (jobs.count("RUNNING"), jobs.count("QUEUED")) == (1, 3)
    why = printed(cell(executed, "%qwex why"))
    assert why.startswith("3rd in default")
    assert "in use" in why

    assert card(cell(executed, "%qwex attach $last"))["state"] == "SUCCEEDED"
    assert printed(cell(executed, "job.result()")).count("% correct") == 3
    assert "CANCELLED" in results(cell(executed, "%qwex status $slow"))[0]

    failed = cell(executed, "def brightest")
    assert card(failed)["state"] == "FAILED"
    assert "8 × 8: 16.0" in printed(failed)
    assert "cannot reshape array" in error(failed)
    assert "line 7" in error(failed)
    assert "qwex_magics" not in error(failed)
    assert "X_train is used but was not sent: add -i X_train" in error(cell(executed, "X_train.mean()"))

    again = cell(executed, "%qwex attach $trained")
    assert printed(again) == printed(training)
    assert len(pictures(again)) == 1
    assert "MLPClassifier" in printed(cell(executed, "back again"))


def test_the_notebook_is_committed_without_outputs():
    nbformat = pytest.importorskip("nbformat", reason="the demo extra is not installed")
    book = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(c.outputs or c.execution_count for c in book.cells if c.cell_type == "code")
