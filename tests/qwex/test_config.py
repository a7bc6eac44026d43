"""Settings are read when asked, in one order, and each knows where it came from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qwex import config
from qwex.errors import ConfigError


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the person who runs the tests is read."""
    for name in [name for name in os.environ if name.startswith("QWEX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "config" / "qwex").mkdir(parents=True)
    return tmp_path / "config" / "qwex"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "deep").mkdir(parents=True)
    return tmp_path / "project"


def test_defaults(project: Path) -> None:
    settings = config.load(project)
    assert {value.origin for value in settings.values.values()} == {"default"}
    assert (settings.default_backend, settings.idle_timeout, settings.url) == ("local", 600.0, "")


def test_later_wins_and_says_so(user_folder: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[tuple[object, str]] = []

    def seen() -> None:
        value = config.load(project / "deep", queue=None).values["queue"]
        order.append((value.value, value.origin))

    (user_folder / "config.toml").write_text("queue = 'user'")
    seen()
    (project / "qwex.toml").write_text("queue = 'project'")
    seen()
    monkeypatch.setenv("QWEX_QUEUE", "variable")
    seen()
    assert order == [
        ("user", str(user_folder / "config.toml")),
        ("project", str(project / "qwex.toml")),
        ("variable", "QWEX_QUEUE"),
    ]
    assert config.load(project, queue="argument").values["queue"] == ("argument", "argument")


def test_nearest_project_file_is_read_alone(project: Path) -> None:
    (project / "qwex.toml").write_text("queue = 'outer'\nbackend = 'outer'")
    (project / "deep" / "qwex.toml").write_text("queue = 'inner'")
    settings = config.load(project / "deep")
    assert (settings.queue, settings.backend) == ("inner", "")


def test_sections_are_merged_by_key_and_handed_on_unchecked(
    user_folder: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (user_folder / "config.toml").write_text("[local]\ncpu = 4\ngpus = 1\n[local.queues.team]\ncpu = 2")
    (project / "qwex.toml").write_text("[local]\ncpu = 8")
    for name, text in {"GPUS": "2", "PREEMPT": "false", "GRACE": "1.5", "NAME": "x"}.items():
        monkeypatch.setenv(f"QWEX_LOCAL__{name}", text)
    assert config.load(project).section("local") == {
        "cpu": 8,
        "gpus": 2,
        "queues": {"team": {"cpu": 2}},
        "preempt": False,
        "grace": 1.5,
        "name": "x",
    }
    assert config.load(project).section("nothing") == {}


def test_a_key_that_means_nothing_is_named_with_its_file(user_folder: Path, project: Path) -> None:
    (user_folder / "config.toml").write_text("[local]\ncpu = 4\ngpu = 1")
    settings = config.load(project)
    settings.check("nothing", ["cpu"])
    with pytest.raises(ConfigError, match=r"config\.toml: \[local\] has no 'gpu'\. Did you mean 'gpus'\?"):
        settings.check("local", ["cpu", "gpus"])


def test_texts_are_read_as_the_setting_s_kind(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEX_IDLE_TIMEOUT", "5")
    monkeypatch.setenv("QWEX_MAX_BODY", "1000")
    settings = config.load(project)
    assert (settings.idle_timeout, settings.max_body) == (5.0, 1000)


def test_unknown_variables_are_left_alone(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEX_RUN_ID", "kit-abc234")
    assert "run_id" not in config.load(project).values


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("queue = ", "config.toml: .*Mend the file"),
        ("quue = 'x'", r"no setting 'quue'\. Did you mean 'queue'\?"),
        ("idle_timeout = 'soon'", "idle_timeout = 'soon' is not a number"),
        ("max_body = true", "max_body = True is not a whole number"),
        ("queue = []", r"queue = \[\] is not a text"),
    ],
)
def test_unusable_file_is_named_with_the_way_out(user_folder: Path, project: Path, content: str, told: str) -> None:
    (user_folder / "config.toml").write_text(content)
    with pytest.raises(ConfigError, match=told):
        config.load(project)


def test_file_that_is_no_text(user_folder: Path, project: Path) -> None:
    (user_folder / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"config\.toml"):
        config.load(project)


def test_unusable_variable_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QWEX_MAX_BODY", "much")
    with pytest.raises(ConfigError, match="QWEX_MAX_BODY: max_body = 'much' is not a whole number"):
        config.load(project)


def test_folder_is_home_or_the_users_data_folder(tmp_path: Path, project: Path) -> None:
    assert config.load(project).folder == tmp_path / "data" / "qwex"
    assert config.load(project, home="~/q").folder == Path.home() / "q"


def test_no_such_setting_is_an_attribute_error(project: Path) -> None:
    with pytest.raises(AttributeError, match="colour"):
        config.load(project).colour  # noqa: B018


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.help and field.scope in ("client", "controller") for field in config.FIELDS)
    assert [field.name for field in config.FIELDS if field.secret] == ["token"]


def test_a_sites_variables_stand_for_settings_that_nothing_else_says(
    user_folder: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QWEX_NAMESPACE", "0123")
    monkeypatch.setenv("QWEX_SSH_IMAGE", "registry/ssh:1")
    monkeypatch.setenv("QWEX_STORAGE_CLASS", "")
    (user_folder / "config.toml").write_text('[kueue]\nmachine_image = "of-the-file"\n')
    settings = config.load(project)
    assert settings.section("kueue") == {"namespace": "0123", "machine_image": "of-the-file"}
    assert settings.sections["kueue"]["namespace"].origin == "QWEX_NAMESPACE"


@pytest.mark.parametrize(("mode", "closed"), [(0o777, 0o755), (0o775, 0o755), (0o755, 0o755), (0o2770, 0o2750)])
def test_a_data_folder_that_others_could_write_in_is_closed_to_that(tmp_path: Path, mode: int, closed: int) -> None:
    (folder := tmp_path / "home").mkdir()
    folder.chmod(mode)
    config.own_folder(folder)
    assert folder.stat().st_mode & 0o7777 == closed


def test_one_that_is_not_there_is_made_for_its_user_alone(tmp_path: Path) -> None:
    config.own_folder(folder := tmp_path / "data" / "qwex")
    assert folder.stat().st_mode & 0o777 == 0o700


def test_one_that_everybody_shares_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (shared := tmp_path / "shared").mkdir()
    shared.chmod(0o1777)
    with pytest.raises(ConfigError, match=rf"others can write in the folder {shared}.*QWEX_HOME.*{shared / 'qwex'}"):
        config.own_folder(shared)
    assert shared.stat().st_mode & 0o7777 == 0o1777
