"""``qwex config`` shows where each value came from, and no secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from qwex.cli import main
from qwex.config import FIELDS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def settings(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QWEX_TOKEN", "s3cret")
    monkeypatch.setenv("QWEX_DATABASE", "postgresql://me:s3cret@host/qwex")
    monkeypatch.setenv("QWEX_LOCAL__CPU", "2")
    text = 'queue = "night"\n[local.queues.night]\ncpu = 4\n[site]\napi_token = "s3cret"\n'
    (tmp_path / "qwex.toml").write_text(text)


def test_every_setting_value_and_origin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--json"]) == 0
    rows = {row["setting"]: row for row in json.loads(capsys.readouterr().out)["settings"]}
    assert {field.name for field in FIELDS} <= set(rows)
    assert (rows["queue"]["value"], rows["queue"]["origin"]) == ("night", str(tmp_path / "qwex.toml"))
    assert (rows["local.cpu"]["value"], rows["local.cpu"]["origin"]) == (2, "QWEX_LOCAL__CPU")
    assert rows["local.queues.night.cpu"]["value"] == 4
    assert rows["max_log"]["origin"] == "default"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_secrets_are_masked(form: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", *form]) == 0
    said = capsys.readouterr().out
    assert "s3cret" not in said
    assert "postgresql://me:••••@host/qwex" in said


def test_only_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "local", "queue"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert names == ["queue", "local.cpu", "local.queues.night.cpu"]


def test_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "tokn"]) == 2
    assert "Did you mean 'token'?" in capsys.readouterr().err


def test_a_broken_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "qwex.toml").write_text("queue = ")
    assert main(["config"]) == 2
    assert f"error: {tmp_path / 'qwex.toml'}" in capsys.readouterr().err
