"""What is secret stays out of MLflow, whatever it is written in."""

from __future__ import annotations

import json

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


@pytest.mark.parametrize("name", ["api-key", "HF_TOKEN", "password", "aws_secret_access_key", "auth"])
def test_what_is_named_like_a_secret_is_hidden(name):
    assert hidden(name, "sk-12345678") == "••••"


@pytest.mark.parametrize("name", ["max_tokens", "tokenizer", "key_frames", "author", "lr"])
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
    assert describing.own_params(spec) == {"api-key": "••••", "lr": "0.1", "token": "••••"}
    assert describing.tags(job, "c")["hf_token"] == "••••"
    assert describing.tags(job, "c")["team"] == "vision"
