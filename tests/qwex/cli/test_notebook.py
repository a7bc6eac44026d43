"""Notebooks on the command line: submitted with parameters, saved with their outputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from ipynb import code, notebook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from command_line import Done


@pytest.fixture
def ran(qwex: Callable[..., Done], tmp_path: Path) -> str:
    """The id of a notebook's job that has ended."""
    (tmp_path / "report.ipynb").write_text(notebook(code("year = 1999", "parameters"), "print(year)\nyear + 1"))
    done = qwex("submit", "report.ipynb", "-p", "year=2026", "--wait", "--json")
    assert done.code == 0, done.err
    told: dict[str, Any] = json.loads(done.out.splitlines()[0])
    return str(told["id"])


def test_saved_with_its_outputs(qwex: Callable[..., Done], ran: str, tmp_path: Path) -> None:
    done = qwex("notebook", ran)
    assert (done.code, done.out) == (0, f"{ran}.ipynb\n")
    saved = json.loads((tmp_path / f"{ran}.ipynb").read_text())
    printed, result = saved["cells"][-1]["outputs"]
    assert (printed["text"], result["data"]["text/plain"]) == ("2026\n", "2027")
    assert json.loads(qwex("notebook", ran, "--to", "-").out) == saved
    assert qwex("notebook", ran).code == 0
    saved["cells"][0]["source"] = "mine = 1"
    (tmp_path / f"{ran}.ipynb").write_text(json.dumps(saved))
    assert f"{ran}.ipynb is there already" in qwex("notebook", ran).err
    saved["metadata"]["qwex"]["state"] = "RUNNING"
    (tmp_path / f"{ran}.ipynb").write_text(json.dumps(saved))
    assert qwex("notebook", ran).code == 0
    assert "mine" not in (tmp_path / f"{ran}.ipynb").read_text()


def test_followed_it_says_which_cell_runs(qwex: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "two.ipynb").write_text(notebook("print('a')", "print('b')"))
    done = qwex("submit", "two.ipynb", "--wait")
    assert (done.code, done.out) == (0, "a\nb\n")
    assert [line for line in done.err.splitlines() if line.startswith("cell")] == ["cell 1 of 2", "cell 2 of 2"]
    assert qwex("submit", "two.ipynb", "--wait", "--quiet").err == ""


def test_no_file_is_written_over_unasked(qwex: Callable[..., Done], ran: str, tmp_path: Path) -> None:
    before = (tmp_path / "report.ipynb").read_text()
    refused = qwex("notebook", ran, "--to", "report.ipynb")
    assert (refused.code, (tmp_path / "report.ipynb").read_text()) == (2, before)
    assert "report.ipynb is there already" in refused.err
    assert qwex("notebook", ran, "--to", "report.ipynb", "--force").code == 0
    assert "2027" in (tmp_path / "report.ipynb").read_text()
    assert "gone/x.ipynb cannot be written" in qwex("notebook", ran, "--to", "gone/x.ipynb").err


def test_what_is_no_plain_file_is_written_to(qwex: Callable[..., Done], ran: str, tmp_path: Path) -> None:
    (tmp_path / "real.ipynb").write_text("{}")
    (tmp_path / "real.ipynb").chmod(0o600)
    (tmp_path / "link.ipynb").symlink_to("real.ipynb")
    assert qwex("notebook", ran, "--to", "link.ipynb", "--force").code == 0
    assert (tmp_path / "link.ipynb").is_symlink()
    assert "2027" in (tmp_path / "real.ipynb").read_text()
    assert (tmp_path / "real.ipynb").stat().st_mode & 0o777 == 0o600
    refused = qwex("notebook", ran, "--to", ".")
    assert (refused.code, "cannot be written: Is a directory" in refused.err) == (2, True)


def test_again_with_other_parameters(qwex: Callable[..., Done], ran: str) -> None:
    again = qwex("resubmit", ran, "-p", "year=1", "--wait", "--quiet")
    assert (again.code, again.out) == (0, "1\n2\n")


def test_a_job_without_one(qwex: Callable[..., Done]) -> None:
    run_id = qwex("submit", "--quiet", "--", "true").out.strip()
    assert f"{run_id} is a command, no notebook" in qwex("notebook", run_id).err
