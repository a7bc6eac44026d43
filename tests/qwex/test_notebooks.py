"""Notebooks as sources: what is frozen, what is run, what is set anew."""

from __future__ import annotations

import json

import nbformat
import pytest
from ipynb import code, notebook, prose

from qwex import notebooks


def texts(*cells):
    return [cell["text"] for cell in notebooks.cells(notebooks.parsed(notebook(*cells)))]


def with_parameters(parameters, *cells):
    changed = notebooks.with_parameters(notebooks.parsed(notebook(*cells)), parameters)
    return [cell["source"] for cell in changed["cells"]]


def test_frozen_is_a_valid_notebook_without_outputs():
    text = notebooks.frozen(notebook(prose(["# A\n", "b"]), code(["x = 1\n", "x"]), "é"))
    frozen = nbformat.reads(text, as_version=4)
    nbformat.validate(frozen)
    assert [cell.source for cell in frozen.cells] == ["# A\nb", "x = 1\nx", "é"]
    assert [(cell.outputs, cell.execution_count) for cell in frozen.cells[1:]] == [([], None)] * 2
    assert notebooks.frozen(text) == text


def test_ids_stay_and_what_has_none_or_a_taken_one_gets_one():
    cells = [code("1", id="cell-2"), code("2"), code("3", id="kept"), code("4", id="kept"), code("5", id="no such id")]
    named = notebooks.parsed(notebook(*cells))["cells"]
    assert [cell["id"] for cell in named] == ["cell-2", "cell-3", "kept", "cell-4", "cell-5"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not a notebook"),
        ("[]", "no nbformat"),
        ('{"nbformat": 4, "metadata": {"a": NaN}, "cells": []}', "NaN is no JSON"),
        ("[" * 100_000, "not a notebook"),
        ('{"nbformat": 3, "worksheets": []}', "nbconvert --to notebook"),
        ('{"nbformat": 4}', "damaged"),
        ('{"nbformat": 4, "cells": [1]}', "damaged"),
        (notebook("1", metadata={"kernelspec": {"language": "R"}}), "a notebook in R"),
        (notebook("1", metadata={"language_info": {"name": "julia"}}), "a notebook in julia"),
    ],
)
def test_what_is_none_is_told(text, said):
    with pytest.raises(ValueError, match=said):
        notebooks.frozen(text)


def test_what_is_run():
    cells = ["a", prose("# prose"), {"cell_type": "raw", "source": "raw"}, "  \n", code("b", "skip-execution"), "c"]
    assert texts(*cells) == ["a", "c"]


def test_a_cell_may_raise():
    cells = notebooks.cells(notebooks.parsed(notebook("a", code("1/0", "raises-exception"))))
    assert [cell["may_raise"] for cell in cells] == [False, True]


@pytest.mark.parametrize(
    ("source", "run"),
    [
        ("%%qwex --gpu 1\ntrain()", "# %%qwex --gpu 1\ntrain()"),
        ("%load_ext qwex_magics\nimport time", "# %load_ext qwex_magics\nimport time"),
        ("x = 1\n%qwex list", "x = 1\n# %qwex list"),
        ("%%qwex\n%%bash\nls", "%%bash\nls"),
        ("%load_ext autoreload\nprint('%qwex')", "%load_ext autoreload\nprint('%qwex')"),
        ("%qwexes", "%qwexes"),
    ],
)
def test_inside_a_job_qwexs_own_magics_are_comments(source, run):
    assert texts(source) == [run]


def test_parameters_are_set_below_their_defaults():
    cells = ["import os", code("lr = 1\nname: str = 'a'\nn, m = 2, 3", "parameters"), "print(lr)"]
    values = {"lr": 0.5, "name": "it's", "m": [1, None, True]}
    below = '# Parameters\nlr = 0.5\nname = "it\'s"\nm = [1, None, True]\n'
    assert with_parameters(values, *cells) == ["import os", cells[1]["source"], below, "print(lr)"]
    assert with_parameters({}, *cells) == ["import os", cells[1]["source"], "print(lr)"]


def test_parameters_of_a_run_before_are_replaced():
    cells = [code("lr = 1", "parameters"), code("# Parameters\nlr = 2", "injected-parameters"), "lr"]
    assert with_parameters({"lr": 3}, *cells) == ["lr = 1", "# Parameters\nlr = 3\n", "lr"]


def test_parameters_stand_below_the_code_that_has_them():
    cells = [prose("# Parameters", metadata={"tags": ["parameters"]}), code("lr = 1", "parameters"), "lr"]
    assert with_parameters({"lr": 5}, *cells) == ["# Parameters", "lr = 1", "# Parameters\nlr = 5\n", "lr"]
    both = code("lr = 1", "parameters", "injected-parameters")
    with pytest.raises(ValueError, match="no cell has the tag"):
        with_parameters({"lr": 5}, both)


def test_the_cell_that_sets_them_has_an_id_of_its_own():
    text = notebook(code("lr = 1", "parameters", id="injected-parameters"))
    changed = notebooks.with_parameters(notebooks.parsed(text), {"lr": 2})
    assert [cell["id"] for cell in changed["cells"]] == ["injected-parameters", "injected-parameters-1"]


def test_names_and_their_defaults():
    lines = ["a = 1  # one", "b: str = 'x'", "c, (d, *e) = 1, (2, 3)", "f += 1", "a = 2", "o.p = q[0] = 3"]
    source = "\n".join([*lines, "xs = [i for i in (n := [1])]"])
    names = {"a": "1", "b": "'x'", "c": "", "d": "", "e": "", "f": "1", "xs": "[i for i in (n := [1])]"}
    assert notebooks.settable(notebooks.parsed(notebook(code(source, "parameters")))) == names
    assert notebooks.settable(notebooks.parsed(notebook("a = 1"))) is None


def test_what_a_run_leaves_is_left_out():
    kernel, ran = {"name": "python3"}, {"execution": {"iopub.execute_input": "2026"}, "tags": ["a"]}
    metadata = {"kernelspec": kernel, "widgets": {"state": "large"}, "qwex": {"run_id": "a"}}
    frozen = json.loads(notebooks.frozen(notebook(code("1", metadata=ran), metadata=metadata)))
    assert frozen["metadata"] == {"kernelspec": kernel}
    assert frozen["cells"][0]["metadata"] == {"tags": ["a"]}


def test_parameters_that_there_are_not():
    with pytest.raises(ValueError, match="no cell has the tag 'parameters'"):
        with_parameters({"lr": 1}, "lr = 2")
    with pytest.raises(ValueError, match=r"no parameter 'lrr'\. Did you mean 'lr'\? There is: lr, n"):
        with_parameters({"lrr": 1}, code("%matplotlib inline\nlr = 2\nn = 3", "parameters"))
    with pytest.raises(ValueError, match="assigns none"):
        with_parameters({"lr": 1}, code("lr = (", "parameters"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("0.1", 0.1), ("1e-3", 0.001), ("true", True), ("False", False), ("None", None), ("null", None),
        ("resnet", "resnet"), ("'1.0'", "1.0"), ("[1, 'a']", [1, "a"]), ("(1, 2)", [1, 2]), ("{'a': 1}", {"a": 1}),
        ("b'x'", "b'x'"), ("", ""), ("a b", "a b"), ("1e999", "1e999"),
        ("2026-01-01", "2026-01-01"),
    ],
)  # fmt: skip
def test_a_value_as_people_write_it(text, value):
    found = notebooks.parameter(text)
    assert (type(found), json.dumps(found)) == (type(value), json.dumps(value))


@pytest.mark.parametrize("text", ["['q", "{1, 2}", "{'a': 1e999}", "'it's'", '"', "(1,"])
def test_what_begins_as_a_value_and_is_none_is_no_text(text):
    with pytest.raises(ValueError, match="is no value"):
        notebooks.parameter(text)
