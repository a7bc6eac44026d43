"""Exit codes are stable and errors are said in whole."""

from __future__ import annotations

import json

import pytest

from qwex import errors
from qwex.cli import exits
from qwex.record import JobRecord
from qwex.state import JobState


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidSpec("x"), 2),
        (errors.ConfigError("x"), 2),
        (exits.UsageError("x"), 2),
        (errors.TooLarge("x"), 2),
        (errors.NotFound("x"), 3),
        (errors.UnknownQueue("x"), 3),
        (errors.ControllerUnavailable("x"), 4),
        (errors.BackendUnavailable("x"), 4),
        (errors.JobNotDone("x"), 5),
        (errors.NotAuthorized("x"), 1),
        (errors.PluginError("x"), 1),
    ],
)
def test_code_of(error: errors.QwexError, code: int) -> None:
    assert exits.code_of(error) == code


@pytest.mark.parametrize(
    ("state", "exit_code", "code"),
    [
        (JobState.SUCCEEDED, 0, 0),
        (JobState.FAILED, 3, 3),
        (JobState.FAILED, None, 1),
        (JobState.FAILED, 0, 1),
        (JobState.FAILED, -9, 137),
        (JobState.FAILED, 256, 1),
        (JobState.CANCELLED, 143, 143),
        (JobState.CANCELLED, None, 1),
    ],
)
def test_a_job_ends_as_its_process_did(state: JobState, exit_code: int | None, code: int) -> None:
    record = JobRecord("a-2b3c4d", "a", "me", "script", state, "local", 0.0, exit_code=exit_code)
    assert exits.of_job(record) == code


def test_several_problems_stand_one_below_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    exits.report(errors.InvalidSpec("all in one", problems=[("gpu", "not a number"), ("", "\x1b[2J")]))
    assert capsys.readouterr().err == "error: 2 problems\n  --gpu: not a number\n  \\x1b[2J\n"


def test_one_problem_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    exits.report(errors.InvalidSpec.of("source", "not a number"))
    assert capsys.readouterr().err == "error: source: not a number\n"


@pytest.mark.parametrize(
    ("field", "flag"),
    [
        ("resources.memory", "--mem"),
        ("mem", "--mem"),
        ("env.A", "--env"),
        ("retries.exit_codes.0", "--retry-on"),
        ("name", "--name"),
        ("spec.resources.cpu", "--cpu"),
        ("spec.resources.memory", "--mem"),
        ("spec.max_age", "--max-age"),
        ("spec.env.A", "--env"),
        ("spec.provider", "--on"),
        ("spec.keys.1", "--key"),
        ("spec.name", "NAME"),
        ("spec.grace", "grace"),
        ("changes.idle", "--idle"),
        ("changes.remove_keys.0", "--remove"),
        ("pre_stop", "--pre-stop"),
    ],
)
def test_a_field_is_named_by_its_flag(field: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    exits.report(errors.InvalidSpec.of(field, "bad"))
    assert capsys.readouterr().err == f"error: {flag}: bad\n"


def test_an_error_that_says_more_than_its_problem_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    exits.report(errors.UnknownQueue("no queue 'a'", problems=[("queue", "no queue 'a'")]))
    assert capsys.readouterr().err == "error: no queue 'a'\n"


def test_an_error_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    exits.report(errors.InvalidSpec.of("gpu", "not a number"), as_json=True)
    assert json.loads(capsys.readouterr().err) == {
        "error": {
            "code": "invalid-spec",
            "message": "gpu: not a number",
            "problems": [{"field": "gpu", "message": "not a number"}],
        }
    }


def test_a_refusal_of_a_part_of_the_job_names_the_flags_that_change_it(capsys: pytest.CaptureFixture[str]) -> None:
    said = "it asks for more than default can ever give: 16 GPUs, and 8 GPUs is the most. Ask for less"
    exits.report(errors.InvalidSpec(said, problems=[("resources", said)]))
    assert capsys.readouterr().err == f"error: --gpu, --cpu, --mem: {said}\n"
