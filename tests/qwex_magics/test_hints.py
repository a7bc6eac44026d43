from __future__ import annotations

import math

import pytest

from qwex_magics.hints import Sent, unsent


def name_error(name):
    return {"ename": "NameError", "evalue": f"name '{name}' is not defined"}


@pytest.fixture
def hint(shell):
    shell.user_ns.update(df=[1], cfg={}, math=math)

    def of(error, cell="", inputs=()):
        return unsent(error, Sent(cell, inputs), shell)

    return of


def test_a_variable_that_was_not_sent(hint):
    assert hint(name_error("df"), "df.sum()") == ["df is used but was not sent: add -i df"]


def test_all_that_are_missing_are_named_at_once(hint):
    line = hint(name_error("df"), "model = fit(df, cfg, math.pi)")
    assert line == ["df and cfg are used but were not sent: add -i df,cfg"]


def test_what_was_sent_is_not_missing(hint):
    assert hint(name_error("df"), "fit(df, cfg)", ("cfg",)) == ["df is used but was not sent: add -i df"]


def test_a_module_is_to_be_imported(hint):
    assert hint(name_error("math"), "math.pi") == [
        "math is a module that the notebook has imported: import it in this cell too."
    ]


@pytest.mark.parametrize(
    "error", [name_error("nowhere"), {"ename": "ValueError", "evalue": "name 'df' is not defined"}]
)
def test_nothing_otherwise(hint, error):
    assert hint(error, "df") == []


def test_a_replayed_job_has_no_cell_to_look_into(shell):
    shell.user_ns["df"] = 1
    assert unsent(name_error("df"), None, shell) == ["df is used but was not sent: add -i df"]
