"""``qwex machine code``: which editor is started, with what, and what is said where there is none."""

from __future__ import annotations

import json
import os
import shutil

import pytest


@pytest.fixture
def train(qwex, boxes, tmp_path, monkeypatch):
    """A machine that runs, and a folder in PATH for editors; none of this computer's is in it."""
    for name in ("ssh", "ssh-keygen"):
        if not (program := shutil.which(name)):
            pytest.skip(f"{name} is not installed")
        (tmp_path / name).symlink_to(program)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    assert qwex("machine", "create", "train").code == 0
    return tmp_path


def editor(folder, name):
    (folder / name).write_text(f'#!/bin/sh\necho {name} "$@"\nexit 7\n')
    (folder / name).chmod(0o755)


def test_the_editor_is_started_there(qwex, train):
    editor(train, "cursor")
    done = qwex("machine", "code", "train")
    assert (done.code, done.out) == (7, "cursor --remote ssh-remote+qwex-train /home/dev\n")
    editor(train, "code")
    assert qwex("machine", "code", "train", "a b").out == "code --remote ssh-remote+qwex-train /home/dev/a b\n"
    assert qwex("machine", "code", "train", "/data", "--editor", "cursor").out.endswith("qwex-train /data\n")
    with open(os.path.expanduser("~/.ssh/config")) as file:
        assert file.readline().startswith("Include ")


def test_without_one_there_are_links(qwex, train):
    done = qwex("machine", "code", "train", "a b")
    assert done.code == 0
    assert "vscode://vscode-remote/ssh-remote+qwex-train/home/dev/a%20b\n" in done.out
    assert "cursor://vscode-remote/ssh-remote+qwex-train/home/dev/a%20b\n" in done.out
    assert "no editor that qwex knows is in PATH" in done.err
    editor(train, "code")
    shown = qwex("machine", "code", "train", "--print", "--editor", "windsurf")
    assert shown.out.splitlines()[1].split() == ["Windsurf", "windsurf://vscode-remote/ssh-remote+qwex-train/home/dev"]
    assert json.loads(qwex("machine", "code", "train", "--json").out)["links"]["code"].startswith("vscode://")
    assert "Did you mean" in qwex("machine", "code", "train", "--editor", "cursr").err


def test_a_stopped_machine_says_the_command_that_starts_it(qwex, train):
    qwex("machine", "stop", "train")
    done = qwex("machine", "code", "train", "--print")
    assert (done.code, done.out) == (1, "")
    assert "Start it with: qwex machine start train" in done.err
