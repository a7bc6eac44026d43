"""Which tracking server a job belongs to, and that no address shows a password."""

from __future__ import annotations

import json

import pytest
from qwex_mlflow import settings
from qwex_mlflow.settings import MlflowSettings, place_of

from qwex.errors import ConfigError


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No server in this process's environment, and a store on this machine."""
    for name in (
        "MLFLOW_TRACKING_URI",
        "MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(settings, "_has_store", lambda: True)


@pytest.fixture
def environment(tmp_path):
    def write(**variables):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        path.write_text(json.dumps(variables))
        return path

    return write


def place(tmp_path, env=None, environment=None, cwd="", **given):
    return place_of(MlflowSettings(**given), env or {}, environment, tmp_path, cwd)


def test_the_first_that_names_one(tmp_path, environment, monkeypatch):
    inherited = environment(MLFLOW_TRACKING_URI="http://inherited", MLFLOW_TRACKING_TOKEN="abc")
    named = {"MLFLOW_TRACKING_URI": "http://job"}
    assert place(tmp_path, named, inherited, tracking_uri="http://site").uri == "http://job"
    found = place(tmp_path, {}, inherited, tracking_uri="http://site")
    assert (found.uri, found.token, found.inherited) == ("http://inherited", "abc", True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://controller")
    assert place(tmp_path, tracking_uri="http://site").uri == "http://site"
    assert place(tmp_path).uri == "http://controller"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert place(tmp_path).uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert place(tmp_path, enabled=False) is None


@pytest.mark.parametrize("inherited", [True, False])
def test_user_and_password_stand_apart_from_the_address(tmp_path, environment, inherited):
    address = "https://ada:hunter%402@mlflow.example:5000/base"
    if inherited:
        found = place(tmp_path, environment=environment(MLFLOW_TRACKING_URI=address))
    else:
        found = place(tmp_path, tracking_uri=address)
    assert (found.uri, found.username, found.password) == ("https://mlflow.example:5000/base", "ada", "hunter@2")


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("sqlite:///mlflow.db", "sqlite:////project/mlflow.db"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("file:///mlruns", "file:///mlruns"),
    ],
)
def test_a_store_of_the_jobs_own_is_where_the_job_has_it(tmp_path, environment, uri, found):
    named = environment(MLFLOW_TRACKING_URI=uri)
    assert place(tmp_path, environment=named, cwd="/project").uri == found


def test_the_controllers_keys_go_to_its_own_server_alone(tmp_path, environment, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://site")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "of the controller")
    assert place(tmp_path).token == "of the controller"
    assert place(tmp_path, {"MLFLOW_TRACKING_URI": "https://site"}).token == "of the controller"
    assert place(tmp_path, {"MLFLOW_TRACKING_URI": "https://elsewhere"}).token == ""
    assert place(tmp_path, environment=environment(MLFLOW_TRACKING_URI="https://elsewhere")).token == ""
    insecure = {"MLFLOW_TRACKING_URI": "https://site", "MLFLOW_TRACKING_INSECURE_TLS": "1"}
    assert place(tmp_path, insecure)[3:5] == ("", True)
    mine = {"MLFLOW_TRACKING_URI": "https://elsewhere", "MLFLOW_TRACKING_TOKEN": "mine"}
    assert place(tmp_path, mine).token == "mine"


@pytest.mark.parametrize("uri", ["http://[::1", "http://ada:hunter22@h:port", "https://h:99999"])
def test_what_is_no_address_is_said_to_be_none(tmp_path, uri):
    for given in ({"env": {"MLFLOW_TRACKING_URI": uri}}, {"tracking_uri": uri}):
        with pytest.raises(ConfigError, match="is none") as raised:
            place(tmp_path, **given)
        assert "hunter22" not in str(raised.value)


def test_of_a_job_elsewhere_a_path_means_nothing_here(tmp_path):
    assert place(tmp_path, {"MLFLOW_TRACKING_URI": "sqlite:////etc/secret.db"}) is None


def test_an_environment_that_is_gone_is_looked_for_again(tmp_path, environment):
    path = tmp_path / "later.json"
    assert place(tmp_path, environment=path).uri.startswith("sqlite")
    path.write_text(json.dumps({"MLFLOW_TRACKING_URI": "http://here"}))
    assert place(tmp_path, environment=path).uri == "http://here"
