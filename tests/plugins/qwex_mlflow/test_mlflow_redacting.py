"""What is secret stays out of MLflow, whatever it is written in."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from qwex_mlflow import describing
from qwex_mlflow.redacting import Secrets, hidden

from qwex.record import JobRecord
from qwex.spec import JobSpec, Source
from qwex.state import JobState
from qwex.tracker import TrackedJob

KEY = '-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\n-----END "KEY"-----'


def test_the_longest_is_replaced_first():
    secrets = Secrets({"A_TOKEN": "abcdefgh", "B_TOKEN": "abcdefgh1234"}, None)
    assert secrets.cleaned("x abcdefgh1234 y abcdefgh z") == "x •••• y •••• z"


def test_within_json_and_line_by_line():
    secrets = Secrets({"SSH_PRIVATE_KEY": KEY}, None)
    for text in (KEY, json.dumps({"key": KEY}), "  MIIEvQIBADANBgkqhkiG9w0BAQEF\n"):
        assert "MIIEvQ" not in secrets.cleaned(text)


def test_of_an_environment_that_cannot_be_read_nothing_is_known(tmp_path):
    assert not Secrets({}, tmp_path / "gone.json").known


@pytest.mark.parametrize("name", ["MYSQL_PWD", "api-key", "HF_TOKEN", "password", "aws_secret_access_key", "auth"])
def test_what_is_named_like_a_secret_is_hidden(name):
    assert hidden(name, "sk-12345678") == "••••"


@pytest.mark.parametrize("name", ["PWD", "OLDPWD", "max_tokens", "tokenizer", "key_frames", "author", "lr"])
def test_what_is_not_is_shown(name):
    assert hidden(name, "bert-base-uncased") == "bert-base-uncased"


def test_parameters_tags_and_arguments():
    spec = JobSpec(
        source=Source(kind="script", text="pass", name="a.py"),
        args=("--api-key", "sk-12345678", "--lr", "0.1", "--token=sk-87654321"),
        tags={"hf_token": "hf_abcdefgh", "team": "vision"},
    )
    job = TrackedJob(JobRecord("a-1", "a", "me", "script", JobState.RUNNING, "local", 1.0), spec)
    described = json.loads(describing.files(job, Secrets({}, None))["qwex/job.json"])
    assert described["args"] == ["--api-key", "••••", "--lr", "0.1", "--token=••••"]
    secrets = Secrets({}, None)
    assert describing.own_params(spec, secrets) == {"api-key": "••••", "lr": "0.1", "token": "••••"}
    assert describing.tags(job, "c", secrets)["hf_token"] == "••••"
    assert describing.tags(job, "c", secrets)["team"] == "vision"


def job_with(**fields):
    spec = JobSpec(source=Source(kind="script", text="pass", name="a.py"), **fields)
    return TrackedJob(JobRecord("a-1", "a", "me", "script", JobState.RUNNING, "local", 1.0), spec)


def test_values_are_known_wherever_they_stand():
    job = job_with(args=("--note", "with hunter-2222"), parameters={}, tags={"team": "hunter-2222"})
    job = replace(job, record=replace(job.record, name="hunter-2222"))
    secrets = Secrets({"DB_PASSWORD": "hunter-2222"}, None)
    described = {**describing.tags(job, "c", secrets), **describing.own_params(job.spec, secrets)}
    assert "hunter-2222" not in "".join(described.values())
    assert described["note"] == "with ••••"


@pytest.mark.parametrize("address", ["postgres://u:p%40ssw0rds@h/x", "see redis://:p%40ssw0rds@h and more"])
def test_a_password_in_an_address(address):
    secrets = Secrets({"DATABASE_URL": address, "OTHER": "http://postgres:postgres@h"}, None)
    assert secrets.cleaned("p@ssw0rds p%40ssw0rds postgres") == "•••• •••• postgres"


def test_of_a_secret_at_a_cut_no_rest_stays():
    secrets = Secrets({"A_TOKEN": "abcdefgh1234"}, None)
    assert secrets.without_a_rest("efgh1234 and more") == " and more"
    assert secrets.without_a_rest("abcdefgh1234 and more") == "abcdefgh1234 and more"
    assert secrets.without_a_rest("nothing of it") == "nothing of it"


def test_no_tag_of_a_jobs_passes_for_one_of_qwex_or_mlflow():
    given = {"qwex.run_id": "hijacked", "qwex.state": "DONE", "mlflow.parentRunId": "x", "mine": "yes"}
    found = describing.tags(job_with(tags=given), "c", Secrets({}, None))
    assert (found["qwex.run_id"], found["mine"]) == ("a-1", "yes")
    assert not {"qwex.state", "mlflow.parentRunId"} & found.keys()
