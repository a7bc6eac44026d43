"""A spec is checked once and names every problem; ids are DNS labels."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipynb import code, notebook
from pydantic import ValidationError

from qwex.errors import InvalidSpec
from qwex.spec import RUN_ID, JobSpec, Source, mint_run_id, validated

SCRIPT = {"kind": "script", "text": "print(1)", "name": "/srv/code/train.py"}


def spec(**fields: Any) -> JobSpec:
    return validated(JobSpec, **{"source": SCRIPT, **fields})


def problems(**fields: Any) -> dict[str, str]:
    with pytest.raises(InvalidSpec) as caught:
        spec(**fields)
    return dict(caught.value.problems)


def test_defaults_are_those_of_a_small_job() -> None:
    job = spec()
    assert (job.resources.cpu, job.resources.gpu, job.queue, job.timeout) == ("1", None, None, None)
    assert (job.retries.failures, job.retries.infrastructure) == (0, 1)


def test_frozen() -> None:
    with pytest.raises(ValidationError):
        spec().name = "other"  # type: ignore[misc]


def test_same_json_back() -> None:
    job = spec(args=["--lr", "0.1"], timeout="15m", resources={"gpu": "A100:2"}, tags={"team": "a b"})
    assert JobSpec.model_validate_json(job.model_dump_json()) == job
    assert job.timeout == 900


def test_all_problems_at_once_by_their_fields() -> None:
    found = problems(resources={"cpu": "-1", "gpu": "0"}, queue="a/b", pritority=1, outputs=["a b"])
    assert set(found) == {"resources.cpu", "resources.gpu", "queue", "pritority", "outputs.0"}
    assert found["pritority"].startswith("no such field. Did you mean 'priority'? There is: source, ")
    assert "write cores" in found["resources.cpu"]


@pytest.mark.parametrize(
    ("field", "value", "told_by"),
    [
        ("name", "a\x1b[31m", "name"),
        ("cwd", "/tmp/\x00", "cwd"),
        ("env", {"A=B": "x"}, "env.A=B"),
        ("tags", {"../up": "x"}, "tags.../up"),
        ("queue", "../../etc", "queue"),
        ("group", "<script>", "group"),
        ("outputs", ["../x"], "outputs.0"),
        ("timeout", "-1s", "timeout"),
        ("timeout", 0, "timeout"),
        ("priority", 10**9, "priority"),
        ("retries", {"failures": -1}, "retries.failures"),
        ("inputs", {"x": {"digest": "sha256:../../x"}}, "inputs.x.digest"),
        ("resources", {"memory": "0"}, "resources.memory"),
        ("resources", {"memory": "4"}, "resources.memory"),
    ],
)
def test_bad_value_is_told_by_its_field(field: str, value: object, told_by: str) -> None:
    assert list(problems(**{field: value})) == [told_by]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"source": {"kind": "command"}}, "a command needs at least one word"),
        ({"source": {"kind": "cell", "text": " \n"}}, "the cell is empty"),
        ({"outputs": ["model", "model"]}, "a name stands twice"),
    ],
)
def test_what_makes_no_sense_together(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidSpec, match=told):
        spec(**fields)


def test_title_is_the_name_or_the_file() -> None:
    assert spec(name="my job").title == "my job"
    assert spec().title == "train.py"
    assert spec(source={"kind": "cell", "text": "1"}).title == "cell"


def test_digest_is_that_of_the_text() -> None:
    assert Source(kind="cell", text="1").digest == Source(kind="script", text="1", name="x").digest
    assert Source(kind="cell", text="1").digest != Source(kind="cell", text="2").digest


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("/srv/code/Train Net.py", "train-net"),
        ("", "job"),
        ("007.py", "job-007"),
        ("\u6f22\u5b57", "job"),
        ("a" * 90, "a" * 40),
    ],
)
def test_run_ids_begin_with_a_readable_slug(name: str, slug: str) -> None:
    assert mint_run_id(name).rpartition("-")[0] == slug


@given(st.text())
def test_every_run_id_is_a_dns_label(name: str) -> None:
    assert RUN_ID.fullmatch(mint_run_id(name))


def test_run_ids_differ() -> None:
    assert len({mint_run_id("train") for _ in range(1000)}) == 1000


def command(*args: str, **more: object) -> JobSpec:
    return JobSpec(source=Source(kind="command"), args=args, **more)  # type: ignore[arg-type]


def test_a_title_is_fit_for_a_terminal() -> None:
    assert command("\x1b]0;evil\x07<b>\n").title == "�]0;evil�<b>�"
    assert len(command("x" * 1000).title) == 200


@pytest.mark.parametrize("given", [{"env": {"PYTHONPATH": "a\0b"}}, {"inputs": {"../x": {"data": ""}}}])
def test_what_no_process_could_be_given_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        command("true", **given)


@pytest.mark.parametrize("timeout", [0.00001, "0.00001", 1e18, "999999999d", float("nan"), float("inf")])
def test_timeouts_are_of_a_length_that_can_be_waited_for(timeout: object) -> None:
    with pytest.raises(ValidationError, match="is not a duration"):
        command("true", timeout=timeout)


@pytest.mark.parametrize("timeout", [0.001, 0.5, 90, 3650 * 86400.0])
def test_a_spec_reads_back_what_it_wrote(timeout: float) -> None:
    spec = command("true", timeout=timeout)
    assert JobSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("name", ["9" * 60 + ".py", "Train-It.py", "", "--", "é", "a" * 200])
def test_run_ids_are_dns_labels(name: str) -> None:
    assert RUN_ID.fullmatch(mint_run_id(name))


def test_problems_are_listed_up_to_a_number_one_can_read() -> None:
    with pytest.raises(InvalidSpec, match="and 80 more problems") as caught:
        validated(JobSpec, source={"kind": "command"}, args=[1] * 100)
    assert len(caught.value.problems) == 21


def test_lists_have_an_end() -> None:
    with pytest.raises(InvalidSpec, match="at most 10000 items"):
        validated(JobSpec, source={"kind": "command"}, args=["x"] * 10_001)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), [1, {"a": float("-inf")}]])
def test_a_parameter_is_one_that_json_has(value: object) -> None:
    text = notebook(code("a = 1", "parameters"))
    with pytest.raises(InvalidSpec, match=r"parameters\.a: inf and nan are no JSON"):
        validated(JobSpec, source={"kind": "notebook", "text": text}, parameters={"a": value})
