"""A plan becomes files that only their owner can read, and the files tell what became of it."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest
from ipynb import code, notebook, prose

from qwex import jobfolder
from qwex.backend import Plan
from qwex.events import encode
from qwex.spec import JobSpec, Source
from qwex.state import JobState, JobStatus
from qwex.testing import script

if TYPE_CHECKING:
    from pathlib import Path

PLAN = Plan("kit-abc234", script("print(1)", args=["x"], timeout=60, outputs=["model"]), "ada", attempt=2)


def exit_record(**fields: Any) -> bytes:
    return encode("exit", 2.0, 2, seq=2, **{"code": 0, "signal": None, "reason": "", "message": "", **fields})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_written_for_the_owner_alone(tmp_path: Path) -> None:
    jobfolder.write(PLAN, tmp_path / "a" / "job", limits={"max_log": 10}, bell=True)
    folder = tmp_path / "a" / "job"
    job = json.loads((folder / "job.json").read_text())
    assert (mode(folder), mode(folder / "job.json"), mode(folder / "bell")) == (0o700, 0o600, 0o600)
    assert stat.S_ISFIFO((folder / "bell").stat().st_mode)
    assert (job["run_id"], job["attempt"], job["args"], job["outputs"]) == ("kit-abc234", 2, ["x"], ["model"])
    assert job["limits"] == {"timeout": 60, "grace": 30, "max_log": 10}


def test_the_environment_is_named_by_its_path(tmp_path: Path) -> None:
    assert jobfolder.describe(PLAN)["environment"] is None
    named = Plan("kit-abc234", PLAN.spec, "ada", environment=tmp_path / "e.json")
    assert jobfolder.describe(named)["environment"] == str(tmp_path / "e.json")


def test_an_attempt_has_one_folder(tmp_path: Path) -> None:
    jobfolder.write(PLAN, tmp_path / "job")
    with pytest.raises(FileExistsError):
        jobfolder.write(PLAN, tmp_path / "job")


def test_lines_are_whole_and_come_in_pieces(tmp_path: Path) -> None:
    assert jobfolder.lines(tmp_path, 0) == []
    written = [encode("stream", 1.0, 1, name="stdout", text=str(number)) for number in range(9)]
    (tmp_path / "events.jsonl").write_bytes(b"".join(written) + b'{"type":"str')
    read: list[bytes] = []
    while piece := jobfolder.lines(tmp_path, sum(map(len, read)), size=100):
        assert len(piece) < len(written)
        read += piece
    assert read == written


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, JobStatus(JobState.SUCCEEDED, "", "", 0, 2)),
        ({"code": 7, "reason": "ExitCode"}, JobStatus(JobState.FAILED, "ExitCode", "", 7, 2)),
        ({"code": 0, "reason": "TimedOut"}, JobStatus(JobState.FAILED, "TimedOut", "", 0, 2)),
        ({"code": 143, "reason": "CancelledByUser"}, JobStatus(JobState.CANCELLED, "CancelledByUser", "", 143, 2)),
        ({"code": 143, "reason": "Preempted"}, JobStatus(JobState.QUEUED, "Preempted", "", 143, 2)),
    ],
)
def test_outcome_is_in_the_exit_record(tmp_path: Path, fields: dict[str, Any], status: JobStatus) -> None:
    long = encode("stream", 1.0, 2, seq=1, name="stdout", text="x" * 200_000)
    (tmp_path / "events.jsonl").write_bytes(long + exit_record(**fields))
    assert jobfolder.outcome(tmp_path) == status


@pytest.mark.parametrize("content", [None, b"", encode("start", 1.0, 1, seq=1), exit_record()[:-1]])
def test_no_outcome_before_the_exit_record_is_whole(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "events.jsonl").write_bytes(content)
    assert jobfolder.outcome(tmp_path) is None


def test_stop_says_why_and_is_whole_at_any_moment(tmp_path: Path) -> None:
    jobfolder.stop(tmp_path, "Preempted", "made way")
    jobfolder.stop(tmp_path, "CancelledByUser", "cancelled by its user")
    assert [path.name for path in tmp_path.iterdir()] == ["stop"]
    stop = json.loads((tmp_path / "stop").read_text())
    assert stop == {"reason": "CancelledByUser", "message": "cancelled by its user"}


def test_a_notebook_is_its_cells(tmp_path: Path) -> None:
    text = notebook(prose("# Title"), code("lr = 1", "parameters"), "print(lr)")
    source = Source(kind="notebook", text=text, name="/a/b.ipynb")
    plan = Plan("kit-abc234", JobSpec(source=source, parameters={"lr": 2}), "ada")
    described = jobfolder.describe(plan)["source"]
    assert (described["text"], described["name"]) == ("", "/a/b.ipynb")
    assert [cell["text"] for cell in described["cells"]] == ["lr = 1", "# Parameters\nlr = 2\n", "print(lr)"]
