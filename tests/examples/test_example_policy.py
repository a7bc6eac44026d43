"""The example policy does what its docstring says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from qwex.errors import InvalidSpec
from qwex.spec import JobSpec

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "qwex_example_policy"))
from qwex_example_policy import DAY, qwex_prepare_job


def spec(**fields: Any) -> JobSpec:
    return JobSpec(source={"kind": "script", "text": "print(1)"}, **fields)


def test_fills_in_what_was_left_open() -> None:
    job = spec(resources={"gpu": "1"}, tags={"project": "digits"})
    prepared = qwex_prepare_job(job)
    assert (prepared.timeout, prepared.queue) == (DAY, "small-gpu")
    assert prepared.tags == job.tags


def test_leaves_what_was_said() -> None:
    assert qwex_prepare_job(spec(timeout=60, queue="mine")) is None
    assert qwex_prepare_job(spec(resources={"gpu": "2"}, tags={"project": "digits"})).queue is None


def test_refuses_gpus_that_nobody_pays_for_and_names_the_flag() -> None:
    with pytest.raises(InvalidSpec, match="--tag project=NAME") as caught:
        qwex_prepare_job(spec(resources={"gpu": "1"}))
    assert caught.value.problems[0][0] == "tags.project"
