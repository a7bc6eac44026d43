"""The notebook about Kueue as it is committed, with outputs: few readers have a cluster at hand.

``tests/cluster/test_notebook.py`` executes it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "02_kueue.ipynb"


@pytest.fixture
def cells():
    nbformat = pytest.importorskip("nbformat", reason="the demo extra is not installed")
    return [c for c in nbformat.read(NOTEBOOK, as_version=4).cells if c.cell_type == "code"]


def test_the_outputs_are_of_one_run_from_top_to_bottom(cells):
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert all(c.outputs for c in cells)


def test_only_what_is_meant_to_fail_has_failed(cells):
    failed = [c for c in cells if any(o.output_type == "error" for o in c.outputs)]
    assert failed == [c for c in cells if "raises-exception" in c.metadata.get("tags", ())]


def test_no_folder_of_the_machine_that_ran_it_is_in_it():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not [word for word in ("/root", "/home/", "/Users/", "/tmp", str(NOTEBOOK.parents[1])) if word in text]
