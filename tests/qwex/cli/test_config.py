"""``qwex config`` shows where each value came from, and no secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from qwex_local.settings import LocalSettings

from qwex.cli import main
from qwex.config import FIELDS, config_file

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def settings(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QWEX_TOKEN", "s3cret")
    monkeypatch.setenv("QWEX_DATABASE", "postgresql://me:s3cret@host/qwex")
    monkeypatch.setenv("QWEX_LOCAL__CPU", "2")
    (tmp_path / "qwex.toml").write_text('queue = "night"\n')
    config_file().parent.mkdir(parents=True)
    config_file().write_text('[local.queues.night]\ncpu = 4\n[site]\napi_token = "s3cret"\n')


def test_every_setting_value_and_origin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--json"]) == 0
    rows = {row["setting"]: row for row in json.loads(capsys.readouterr().out)["settings"]}
    assert {field.name for field in FIELDS} <= set(rows)
    assert (rows["queue"]["value"], rows["queue"]["origin"]) == ("night", str(tmp_path / "qwex.toml"))
    assert (rows["local.cpu"]["value"], rows["local.cpu"]["origin"]) == (2, "QWEX_LOCAL__CPU")
    assert (rows["local.queues.night.cpu"]["value"], rows["local.queues.night.cpu"]["origin"]) == (
        4,
        str(config_file()),
    )
    assert (rows["local.backfill_max_wait"]["value"], rows["local.gpus"]["origin"]) == (600.0, "default")
    assert rows["max_log"]["origin"] == "default"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_secrets_are_masked(form: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", *form]) == 0
    said = capsys.readouterr().out
    assert "s3cret" not in said
    assert "postgresql://me:••••@host/qwex" in said


def test_only_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "local.queues", "local.cpu", "queue"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert names == ["queue", "local.cpu", "local.queues.night.cpu"]


def test_a_plugin_of_which_nothing_is_set(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    config_file().unlink()
    monkeypatch.delenv("QWEX_LOCAL__CPU")
    assert main(["config", "local"]) == 0
    shown = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()[1:]}
    assert set(shown) == {f"local.{name}" for name in LocalSettings.model_fields}
    assert "longest time that smaller jobs may pass one that waits" in shown["local.backfill_max_wait"]


def test_what_the_controller_does_not_read_is_not_shown_as_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "qwex.toml").write_text("idle_timeout = 5\n[local]\ngpus = 2\n[submit]\ntime = '1h'\n")
    assert main(["config", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    rows = {row["setting"]: row["origin"] for row in said["settings"]}
    assert (rows["idle_timeout"], rows["local.gpus"]) == ("default", "default")
    assert rows["submit.time"] == str(tmp_path / "qwex.toml")
    assert [name for name, _ in said["not_read"]] == ["idle_timeout", "local.gpus"]
    assert main(["config"]) == 0
    assert f"{tmp_path / 'qwex.toml'} sets local.gpus, which only a controller reads" in capsys.readouterr().err


@pytest.mark.parametrize(("section", "key", "near"), [("submit", "quue", "queue"), ("local", "gpu", "gpus")])
def test_a_key_that_means_nothing(section: str, key: str, near: str, capsys: pytest.CaptureFixture[str]) -> None:
    config_file().write_text(f"[{section}]\n{key} = 1\n")
    assert main(["config"]) == 2
    assert f"{config_file()}: [{section}] has no '{key}'. Did you mean '{near}'?" in capsys.readouterr().err


def test_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "tokn"]) == 2
    assert "Did you mean 'token'?" in capsys.readouterr().err


def test_a_broken_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "qwex.toml").write_text("queue = ")
    assert main(["config"]) == 2
    assert f"error: {tmp_path / 'qwex.toml'}" in capsys.readouterr().err
