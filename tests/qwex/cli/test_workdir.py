"""``--workdir``: a folder goes with the job, as it was at submit, and an unchanged one is not sent again."""

from __future__ import annotations

import json

import qwex as sdk
from qwex.client.session import Session


def test_the_job_sees_the_folder_as_it_was(qwex, tmp_path):
    project = tmp_path / "project"
    (project / "steps").mkdir(parents=True)
    (project / "steps" / "train.py").write_text("import neighbour\nprint(neighbour.x, open('data.txt').read())")
    (project / "steps" / "neighbour.py").write_text("x = 1")
    (project / "data.txt").write_text("then")
    qwex("submit", "--name", "hog", "--cpu", "2", "--", "sleep", "600")
    done = qwex("submit", "--json", "--workdir", "project", "project/steps/train.py")
    assert done.code == 0, done.err
    run_id = json.loads(done.out)["id"]
    (project / "data.txt").write_text("now")
    (project / "steps" / "neighbour.py").unlink()
    qwex("cancel", json.loads(qwex("list", "--name", "hog", "--json").out)["jobs"][0]["id"])
    qwex("wait", run_id)
    assert qwex("logs", run_id).out == "1 then\n"


def test_an_unchanged_folder_is_one_request(qwex, tmp_path, monkeypatch):
    project = tmp_path / "project"
    project.mkdir()
    for n in range(1400):
        (project / f"{n}.txt").write_text(str(n))
    asked = []
    request = Session._request

    def watched(self, method, target, *args):
        asked.append((method, target.partition("sha256")[0]))
        return request(self, method, target, *args)

    monkeypatch.setattr(Session, "_request", watched)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        job = sdk.submit(["ls"], workdir="project")
        job.wait()
    submits = [each for each in asked if each[0] in ("HEAD", "PUT", "POST")]
    assert submits == [
        ("HEAD", "/blobs/"),
        ("PUT", "/blobs/"),
        ("POST", "/jobs"),
        ("HEAD", "/blobs/"),
        ("POST", "/jobs"),
    ]


def test_it_runs_in_one_folder_only(qwex, tmp_path):
    done = qwex("submit", "--workdir", ".", "--cwd", "/tmp", "--", "ls")
    assert (done.code, "leave out one of the two" in done.err) == (2, True)
    assert "is no folder" in qwex("submit", "--workdir", "nowhere", "--", "ls").err
