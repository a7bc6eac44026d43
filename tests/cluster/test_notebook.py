"""The notebook about Kueue, executed as its reader would on a new cluster; what it tells people to look at is there."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
CARD = "application/vnd.qwex.job.v1+json"


@pytest.fixture
def executed(cluster, home, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason="the demo extra is not installed")
    pytest.importorskip("numpy", reason="the demo extra is not installed")
    from nbclient import NotebookClient

    monkeypatch.setenv("QWEX_KUEUE__KUBECONFIG", str(cluster.kubeconfig))
    # Where this test fails halfway, the next one finds the quota free.
    monkeypatch.setenv("QWEX_KUEUE__LINGER", "30")
    monkeypatch.setenv("PATH", f"{Path(cluster.kubectl_path()).parent}{os.pathsep}{os.environ['PATH']}")
    book = nbformat.read(FOLDER / "02_kueue.ipynb", as_version=4)
    for each in book.cells:
        each.pop("outputs", None)
    NotebookClient(book, timeout=120, resources={"metadata": {"path": str(FOLDER)}}).execute()
    return book


def cell(book, text):
    """The one code cell that holds ``text``."""
    (found,) = [c for c in book.cells if c.cell_type == "code" and text in c.source]
    return found


def printed(cell):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


def results(cell):
    return [o.data["text/plain"] for o in cell.outputs if o.output_type == "execute_result"]


def card(cell):
    (found,) = [o.data for o in cell.outputs if CARD in o.get("data", {})]
    return found[CARD]


def test_what_the_notebook_tells_people_to_look_at_is_there(executed):
    assert re.search(r"default +kueue .* of 2 nvidia.com/gpu", results(cell(executed, "%load_ext"))[0])

    first = cell(executed, "platform.node()")
    assert re.match(r"pod cell-\w+-\w+ as user 1000\n", printed(first))
    assert results(first) == ["3.509"]
    assert card(first)["line"].endswith("rolls → here")

    waiting = cell(executed, "%qwex why report")
    assert printed(waiting).startswith("2nd in default, 2nd in the cluster queue · waits for 1 GPU: ")
    assert (results(waiting)[0].count("RUNNING"), results(waiting)[0].count("QUEUED")) == (1, 2)

    assert card(cell(executed, "--priority 100"))["state"] == "SUCCEEDED"
    story = printed(cell(executed, "%qwex attach training"))
    before, _, after = story.partition("qwex: attempt 2 follows (Preempted)\n")
    assert before.startswith("attempt 1 epoch 1\n")
    assert after.splitlines() == [f"attempt 2 epoch {epoch}" for epoch in range(1, 11)]

    killed = cell(executed, "--name many-rolls")
    assert card(killed)["reason"] == "OutOfMemory"
    assert "its limit of 134 MB" in card(killed)["message"]
    assert card(killed)["line"].endswith("--mem 256Mi")
    assert printed(cell(executed, "%qwex resubmit")) == "87,720,000 points\n"
