"""A working folder as an archive: what is in it, what is not, and that it is the same each time."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile

import pytest

from qwex.capture import workdir
from qwex.capture.workdir import archived
from qwex.errors import InvalidSpec


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "project"
    for path, text in {
        "train.py": "import model",
        "model.py": "x = 1",
        "data/small.csv": "1,2",
        ".env": "TOKEN=1",
        ".git/config": "",
        "__pycache__/a.pyc": "",
        "node_modules/left/pad.js": "",
        ".venv/bin/python": "",
    }.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    (place / "run.sh").write_text("#!/bin/sh")
    (place / "run.sh").chmod(0o755)
    (place / "inside").symlink_to("data/small.csv")
    (place / "outside").symlink_to("../../etc/passwd")
    (place / "absolute").symlink_to("/etc/passwd")
    return place


def members(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        return {member.name: member for member in opened}


ALL = {"train.py", "model.py", "data/small.csv", "run.sh", "inside"}


def test_what_is_in_it(folder):
    found = members(archived(folder))
    assert set(found) == ALL
    assert (found["run.sh"].mode, found["train.py"].mode) == (0o755, 0o644)
    assert {(each.uid, each.gid, each.mtime, each.uname) for each in found.values()} == {(0, 0, 0, "")}
    assert found["inside"].linkname == "data/small.csv"


def test_the_same_files_are_the_same_bytes_whatever_their_times(folder):
    first = archived(folder)
    os.utime(folder / "train.py", (1, 1))
    assert archived(folder) == first
    (folder / "train.py").write_text("import models")
    assert archived(folder) != first


@pytest.mark.parametrize(
    ("ignore", "gone"),
    [
        ("data", {"data/small.csv"}),
        ("data/", {"data/small.csv"}),
        ("/data/*.csv", {"data/small.csv"}),
        ("# all\n*.py\n", {"train.py", "model.py"}),
        ("nothing", set()),
    ],
)
def test_what_qwexignore_leaves_out(folder, ignore, gone):
    (folder / ".qwexignore").write_text(ignore)
    assert set(members(archived(folder))) == (ALL | {".qwexignore"}) - gone


def test_in_a_repository_gitignore_holds(folder):
    subprocess.run(["rm", "-r", folder / ".git"], check=True)
    subprocess.run(["git", "-C", folder, "init", "-q"], check=True)
    (folder / ".gitignore").write_text("data/\n")
    subprocess.run(["git", "-C", folder, "add", "model.py"], check=True)
    (folder / "model.py").unlink()
    assert set(members(archived(folder))) == {"train.py", "run.sh", "inside", ".gitignore"}


def test_one_that_is_too_large_names_its_largest_files(folder, monkeypatch):
    monkeypatch.setattr(workdir, "MOST_BYTES", 10)
    with pytest.raises(InvalidSpec, match=r"The largest: .*train\.py \(12 B\).*\.qwexignore"):
        archived(folder)


def test_one_that_is_not_there(tmp_path):
    with pytest.raises(InvalidSpec, match="is no folder"):
        archived(tmp_path / "missing")


def test_a_folder_that_its_repository_ignores_is_sent_all_the_same(tmp_path):
    (tmp_path / "ignored" / "deep").mkdir(parents=True)
    (tmp_path / "ignored" / "deep" / "data.csv").write_text("1")
    (tmp_path / ".gitignore").write_text("ignored/\n")
    subprocess.run(["git", "-C", tmp_path, "init", "-q"], check=True)
    assert set(members(archived(tmp_path / "ignored"))) == {"deep/data.csv"}
    (tmp_path / "empty").mkdir()
    assert members(archived(tmp_path / "empty")) == {}


def test_links_to_folders_are_links(tmp_path):
    (tmp_path / "runs" / "3").mkdir(parents=True)
    (tmp_path / "runs" / "3" / "model.pt").write_text("m")
    (tmp_path / "latest").symlink_to("runs/3")
    found = members(archived(tmp_path))
    assert set(found) == {"latest", "runs/3/model.pt"}
    assert found["latest"].linkname == "runs/3"


def test_a_file_that_goes_while_it_is_packed(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("a")
    monkeypatch.setattr(workdir, "_candidates", lambda folder: ["a.txt", "gone.txt"])
    with pytest.raises(InvalidSpec, match=r"gone\.txt cannot be sent along: No such file"):
        archived(tmp_path)


@pytest.fixture
def repository(folder):
    subprocess.run(["rm", "-r", folder / ".git"], check=True)
    subprocess.run(["git", "init", "-q", folder], check=True)
    (folder / ".gitignore").write_text("data\n")
    return folder


def test_what_git_hides_is_not_sent_where_git_does_not_trust_the_repository(repository, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(InvalidSpec, match=r"dubious ownership .*: git config --global --add safe\.directory /"):
        archived(repository / "data")


def test_nor_where_there_is_no_git(repository, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidSpec, match=r"it cannot be run \(No such file or directory\)\. Install it"):
        archived(repository)
    subprocess.run(["/bin/rm", "-r", repository / ".git"], check=True)
    assert "data/small.csv" in members(archived(repository))


def test_nor_where_git_takes_too_long(repository, monkeypatch, tmp_path):
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\nexec sleep 60\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(workdir, "_SECONDS", 0.1)
    with pytest.raises(InvalidSpec, match=r"it took more than 0\.1 s"):
        archived(repository)


def test_nor_from_a_worktree_whose_repository_is_gone(repository):
    subprocess.run(["rm", "-r", repository / ".git"], check=True)
    (repository / ".git").write_text("gitdir: /nowhere/at/all\n")
    with pytest.raises(InvalidSpec, match="not a git repository: /nowhere/at/all"):
        archived(repository)


def test_a_file_that_gets_shorter_while_it_is_packed(folder, monkeypatch):
    real = os.fstat

    def before(fd):
        return os.stat_result((*real(fd)[:6], 10_000, *real(fd)[7:]))

    monkeypatch.setattr(workdir.os, "fstat", before)
    with pytest.raises(InvalidSpec, match="unexpected end of data; was it changed or removed meanwhile"):
        archived(folder)
