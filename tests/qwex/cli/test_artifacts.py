"""The files that a job leaves: ``qwex artifacts``, ``job.files``, and where they lie."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from harness.waiting import wait_until

import qwex as sdk
from qwex.client.files import Files, place
from qwex.errors import InvalidSpec, NotFound
from qwex.record import JobFile

LEAVES = """\
import os, pathlib
folder = pathlib.Path(os.environ["QWEX_FILES"])
(folder / "models").mkdir()
(folder / "models" / "best.pt").write_bytes(bytes(3_000_000))
(folder / "note.txt").write_text("h\\u00e9llo")
(folder / "same.txt").write_text("h\\u00e9llo")
(folder / "empty").touch()
(folder / "link").symlink_to("/etc/passwd")
(folder / "linked").symlink_to("models")
os.mkfifo(folder / "pipe")
"""


@pytest.fixture
def job(qwex, tmp_path):
    (tmp_path / "leaves.py").write_text(LEAVES)
    done = qwex("submit", "--json", "--wait", "leaves.py")
    assert done.code == 0, done.err
    return json.loads(qwex("list", "--json").out)["jobs"][0]["id"]


def test_they_are_listed_and_fetched(qwex, job, tmp_path):
    assert qwex("artifacts", "ls", job).out.split("\n")[1:] == [
        "0 B     empty",
        "3.0 MB  models/best.pt",
        "6 B     note.txt",
        "6 B     same.txt",
        "",
    ]
    assert qwex("artifacts", "get", job).code == 0
    fetched = {str(path.relative_to(tmp_path / job)): path for path in (tmp_path / job).rglob("*") if path.is_file()}
    assert sorted(fetched) == ["empty", "models/best.pt", "note.txt", "same.txt"]
    assert fetched["note.txt"].read_text() == "héllo"
    assert fetched["models/best.pt"].stat().st_size == 3_000_000
    again = qwex("artifacts", "get", job, "*.txt")
    assert (again.code, "is there already" in again.err) == (2, True)
    assert qwex("artifacts", "get", job, "*.txt", "--force").out.split() == [f"{job}/note.txt", f"{job}/same.txt"]
    missing = qwex("artifacts", "get", job, "models/worst.pt")
    assert (missing.code, "left no file 'models/worst.pt'. Did you mean 'models/best.pt'?" in missing.err) == (3, True)


def test_what_is_no_plain_file_stays_away_and_is_said(qwex, job):
    assert "3 files were not kept (links, odd names, or more than 2000): link, linked, pipe" in qwex("logs", job).err


def test_in_python_they_are_opened_when_they_are_asked_for(qwex, job):
    files = sdk.Client().job(job).files
    assert list(files) == ["empty", "models/best.pt", "note.txt", "same.txt"]
    with files["note.txt"].open() as file:
        assert file.read() == "héllo".encode()
    assert files["models/best.pt"].size == 3_000_000
    with pytest.raises(NotFound, match=r"There is: empty, models/best\.pt"):
        files["other"]


def test_those_of_a_job_that_fails_are_kept_those_of_the_attempt_before_are_not(qwex, tmp_path):
    text = (
        "import os, pathlib\n"
        "folder = pathlib.Path(os.environ['QWEX_FILES'])\n"
        "(folder / f\"of-{os.environ['QWEX_ATTEMPT']}\").write_text('x')\n"
        "os.kill(os.getpid(), 9)"
    )
    (tmp_path / "fails.py").write_text(text)
    assert qwex("submit", "--retries", "1", "--wait", "fails.py").code == 137
    run_id = json.loads(qwex("list", "--json").out)["jobs"][0]["id"]
    assert list(sdk.Client().job(run_id).files) == ["of-2"]
    assert "has left no files" in qwex("artifacts", "ls", _plain(qwex, tmp_path)).err


def _plain(qwex, tmp_path):
    (tmp_path / "plain.py").write_text("print(1)")
    qwex("submit", "--wait", "plain.py")
    return json.loads(qwex("list", "--json").out)["jobs"][0]["id"]


def test_in_a_bucket_they_outlive_the_machine(qwex, gateway, tmp_path, home):
    bucket = gateway.bucket()
    section = {f"QWEX_S3__{name.upper()}": str(value) for name, value in gateway.settings(allow_http="true").items()}
    os.environ |= {**section, "QWEX_ARTIFACTS": f"s3://{bucket}/qwex"}
    try:
        (tmp_path / "leaves.py").write_text(LEAVES)
        assert qwex("submit", "--wait", "leaves.py").code == 0
        run_id = json.loads(qwex("list", "--json").out)["jobs"][0]["id"]
        user = sdk.Client().job(run_id).record.user
        left = gateway.folder / "data" / bucket / "qwex" / "users" / user
        manifest = left / "jobs" / run_id / "manifest.json"
        wait_until(manifest.exists, "the manifest")
        told = json.loads(manifest.read_text())
        assert (told["state"], told["lost"]) == ("SUCCEEDED", [])
        assert [each["path"] for each in told["files"]] == ["empty", "models/best.pt", "note.txt", "same.txt"]
        assert '"type":"exit"' in (manifest.parent / "events.jsonl").read_text()
        digest = hashlib.sha256(bytes(3_000_000)).hexdigest()
        assert (left / "blobs" / digest[:2] / digest).stat().st_size == 3_000_000
        folder = next((home / "local").rglob(f"{run_id}*/**/values"))
        for path in folder.iterdir():
            path.unlink()
        assert sdk.Client().job(run_id).files["models/best.pt"].read() == bytes(3_000_000)
        (tmp_path / "report.html").write_text("better")
        assert qwex("artifacts", "put", run_id, "report.html").code == 0
        wait_until(lambda: "report.html" in manifest.read_text(), "the manifest with what was added")
    finally:
        for name in (*section, "QWEX_ARTIFACTS"):
            del os.environ[name]


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../up", "a/../../b", "a\0b"])
def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path, path):
    with pytest.raises(InvalidSpec, match="no path within a folder"):
        place(tmp_path, path)


def test_a_file_that_breaks_off_is_not_there(tmp_path):
    def chunks(file):
        yield b"half"
        raise NotFound("gone")

    files = Files([JobFile("a.bin", 8, "sha256:0", "file_a")], chunks)
    with pytest.raises(NotFound):
        files["a.bin"].save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_are_added_to_those_of_an_ended_job(qwex, job, tmp_path):
    (tmp_path / "report.html").write_text("better")
    (tmp_path / "plots" / "more").mkdir(parents=True)
    (tmp_path / "plots" / "loss.png").write_bytes(b"\x89PNG")
    (tmp_path / "plots" / "more" / "empty").touch()
    put = qwex("artifacts", "put", job, "report.html", "plots")
    assert put.out.split() == ["report.html", "plots/loss.png", "plots/more/empty"], put.err
    assert qwex("artifacts", "put", job, "report.html", "--as", "réports/1.html").code == 0
    files = sdk.Client().job(job).files
    assert files["réports/1.html"].read() == files["report.html"].read() == b"better"
    assert files["plots/more/empty"].read() == b""
    (tmp_path / "report.html").write_text("best")
    assert qwex("artifacts", "put", job, "report.html").code == 0
    assert sdk.Client().job(job).files["report.html"].read() == b"best", "one that was added may be replaced"
    own = qwex("artifacts", "put", job, "report.html", "--as", "note.txt")
    assert (own.code, "has left a file 'note.txt' itself" in own.err) == (1, True), own.err
    assert sdk.Client().job(job).files["note.txt"].read() == "héllo".encode()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "a\\b", "a\nb", "x" * 1001])
def test_what_is_no_path_is_refused(job, tmp_path, path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidSpec):
        sdk.Client().add_file(job, tmp_path / "file", path)


def test_of_a_job_that_runs_nothing_is_added(qwex, tmp_path):
    (tmp_path / "runs.py").write_text("import time; time.sleep(60)")
    run_id = json.loads(qwex("submit", "--json", "runs.py").out)["id"]
    put = qwex("artifacts", "put", run_id, "runs.py")
    assert (put.code, "has not ended" in put.err) == (1, True), put.err
    qwex("cancel", run_id)
    missing = qwex("artifacts", "put", run_id, "nowhere.txt")
    assert (missing.code, "nowhere.txt cannot be read: No such file" in missing.err) == (2, True), missing.err


def test_added_files_outlive_the_controller(qwex, job, tmp_path):
    (tmp_path / "report.html").write_text("better")
    qwex("artifacts", "put", job, "report.html")
    assert qwex("controller", "stop").code == 0
    assert "report.html" in qwex("artifacts", "ls", job).out


def test_a_large_file_is_opened_without_being_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("qwex.client.files._SMALL", 10)
    files = Files([JobFile("big", 30, "sha256:", "file_1")], lambda file: iter([b"a" * 10] * 3))
    with files["big"].open() as opened:
        opened.seek(25)
        assert opened.read() == b"a" * 5
        assert opened.fileno() > 2


def test_a_folder_that_the_job_puts_in_place_of_its_own_is_left_alone(qwex, tmp_path):
    mine = tmp_path / "mine"
    (mine / "sub").mkdir(parents=True)
    (mine / "data.csv").write_text("keep")
    (tmp_path / "moves.py").write_text(
        f"import os\nos.rmdir(os.environ['QWEX_FILES'])\nos.symlink({str(mine)!r}, os.environ['QWEX_FILES'])"
    )
    done = qwex("submit", "--wait", "--json", "moves.py")
    run_id = json.loads(qwex("list", "--json").out)["jobs"][0]["id"]
    assert (mine / "data.csv").read_text() == "keep", done.err
    assert dict(sdk.Client().job(run_id).files) == {}
    assert "1 file was not kept" in qwex("logs", run_id).err
