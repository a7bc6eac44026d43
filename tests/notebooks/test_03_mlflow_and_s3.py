"""The third notebook, executed with a store on this machine and a bucket of a real S3 server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "03_mlflow_and_s3.ipynb"


@pytest.fixture
def executed(home, tmp_path, gateway, monkeypatch):
    for name in ("nbformat", "sklearn", "mlflow"):
        pytest.importorskip(name, reason="the extras demo and mlflow are not installed")
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("QWEX_MLFLOW__ENABLED", "true")
    monkeypatch.setenv("QWEX_ARTIFACTS", f"s3://{gateway.bucket()}/qwex")
    monkeypatch.setenv("PATH", os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name, value in gateway.settings(allow_http="true").items():
        monkeypatch.setenv(f"QWEX_S3__{name.upper()}", value)
    book = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(book, timeout=200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    return book


def printed(book, text):
    """What the one code cell that holds ``text`` has printed."""
    (cell,) = [cell for cell in book.cells if cell.cell_type == "code" and text in cell.source]
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_the_notebook_tells_people_to_look_at_is_there(executed):
    assert printed(executed, "jobs = [").count("%") == 3
    lines = printed(executed, "metric_line").splitlines()
    assert len(lines) == 3
    assert all(" accuracy 0." in line and "at step 50 ▁" in line for line in lines)
    assert printed(executed, "metrics.accuracy > 0.9").count("train-") in (1, 2)
    assert "model.pkl" in printed(executed, "best.files")
    assert "RandomForestClassifier(max_depth=8" in printed(executed, "best.files")
    assert printed(executed, "MlflowClient").endswith("FAILED - Signal - Ended by SIGKILL.\n")
