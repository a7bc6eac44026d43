"""Options are described once: flags, schema and specs come from the model and agree."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field

from qwex.backend import BackendOptions
from qwex.errors import InvalidSpec
from qwex.options import SubmitOptions, flags, read_pairs
from qwex.spec import Source

SOURCE = Source(kind="script", text="print(1)", name="train.py")


def read(**given: Any) -> SubmitOptions:
    return SubmitOptions.read(given)


def test_every_option_is_a_flag_with_a_description() -> None:
    shown = flags()
    assert [flag.name for flag in shown] == list(SubmitOptions.model_fields)
    assert all(flag.help and flag.long.startswith("--") and "_" not in flag.long for flag in shown)


def test_no_two_flags_share_a_name() -> None:
    names = [name for flag in flags() for name in (flag.long, flag.short) if name]
    assert len(names) == len(set(names))


def test_flags_say_how_often_and_what_kind() -> None:
    by_name = {flag.name: flag for flag in flags()}
    assert (by_name["env"].many, by_name["env"].kind, by_name["env"].metavar) == (True, str, "K=V")
    assert (by_name["priority"].many, by_name["priority"].kind) == (False, int)
    assert by_name["queue"].short == "-q"
    assert by_name["retry_on"].long == "--retry-on"


def test_flags_of_a_backend_s_own_options() -> None:
    class Options(BackendOptions):
        account: str = Field("", description="account to charge")
        nodes: int | None = Field(None, description="how many")
        modules: tuple[str, ...] = Field((), description="to load")

    assert [(flag.long, flag.kind, flag.many, flag.metavar) for flag in flags(Options)] == [
        ("--account", str, False, "ACCOUNT"),
        ("--nodes", int, False, "NODES"),
        ("--modules", str, True, "MODULES"),
    ]


def test_spec_has_what_was_given_and_else_the_defaults() -> None:
    job = read(gpu=1, mem="4Gi", time="1h", env=["A=1", "B=x=y"], retries=2, retry_on=[3], option="nice=1").spec(SOURCE)
    assert (job.resources.gpu, job.resources.cpu, job.resources.memory) == ("1", "1", "4Gi")
    assert (job.timeout, job.env, job.backend_options) == (3600, {"A": "1", "B": "x=y"}, {"nice": "1"})
    assert (job.retries.failures, job.retries.exit_codes) == (2, (3,))


def test_further_fields_win() -> None:
    assert read(name="a").spec(SOURCE, args=("x",), name="b").name == "b"


def test_what_is_not_given_comes_from_the_defaults() -> None:
    options = SubmitOptions.read({"queue": None, "env": [], "gpu": "2"}, {"queue": "team", "env": ["A=1"], "gpu": "1"})
    assert (options.queue, options.env, options.gpu) == ("team", ("A=1",), "2")


def test_all_problems_at_once_by_the_flags() -> None:
    with pytest.raises(InvalidSpec) as caught:
        read(gpu="0", time="soon", priority="high", colour="red")
    assert {field for field, _ in caught.value.problems} == {"gpu", "time", "priority", "colour"}


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"retries": -1}, "retries", "at least 0"),
        ({"retry_on": ["x"]}, "retry_on", "a whole number; not 'x'"),
        ({"queue": "a b"}, "queue", "letters, digits, '-', '_' and '.' only"),
        ({"tag": ["a b=1"]}, "tag", "letters, digits, '-', '_' and '.' only"),
        ({"priority": 10**7}, "priority", "at most 1000000"),
    ],
)
def test_problems_of_the_spec_are_told_by_the_flags(given: dict[str, Any], field: str, told: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        read(**given).spec(SOURCE)
    ((name, said),) = caught.value.problems
    assert name == field
    assert said.startswith(told)


@pytest.mark.parametrize(
    ("pairs", "told"), [(["A"], "not of the form"), (["=1"], "not of the form"), (["A=1", "A=2"], "twice")]
)
def test_bad_pairs(pairs: list[str], told: str) -> None:
    with pytest.raises(InvalidSpec, match=told) as caught:
        read_pairs(pairs, "env")
    assert caught.value.problems[0][0] == "env"
