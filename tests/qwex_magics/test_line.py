from __future__ import annotations

import pytest

from qwex_magics.line import listing, read

NOTEBOOK = {"lr": 0.1, "cores": 8}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--gpu 1  -i a,b", ["--gpu", "1", "-i", "a,b"]),
        ("--env LR={lr} --cpu $cores", ["--env", "LR=0.1", "--cpu", "8"]),
        ('--name "two words" --env A="x y"', ["--name", "two words", "--env", "A=x y"]),
        ('--env A="lr is {lr}"', ["--env", "A=lr is 0.1"]),
        ("--env 'A={lr}' B='$lr'", ["--env", "A={lr}", "B=$lr"]),
        ("--env A={{lr}} B=$$lr", ["--env", "A={lr}", "B=$lr"]),
        (r'"a \"quoted\" word"', ['a "quoted" word']),
        ("", []),
    ],
)
def test_words(line, words):
    assert read(line, NOTEBOOK) == (words, [])


@pytest.mark.parametrize(
    "json",
    ['{"a":1}', '{"a":{"b":{}}}', '{"lr":[1,{"c":"d"}]}', "{}"],
)
def test_json_survives_unquoted(json):
    assert read(f"--env CFG={json}", NOTEBOOK) == (["--env", f"CFG={json}"], [])


def test_json_with_blanks_and_dollars_survives_in_single_quotes():
    json = '{"$ref": "{lr}", "b": {"c": 1}}'
    assert read(f"--env 'CFG={json}' --option C='{json}'", {})[0] == ["--env", f"CFG={json}", "--option", f"C={json}"]


def test_an_undefined_name_is_named_with_the_nearest_one():
    words, problems = read("--cpu {core} --env A={lr}", NOTEBOOK)
    assert words == ["--cpu", "{core}", "--env", "A=0.1"]
    assert problems[0][0] == "{core}"
    assert "Did you mean 'cores'?" in problems[0][1]


def test_an_open_quote_is_a_problem():
    assert read("--env 'A=1", {})[1] == [("'", "this quote is not closed")]


def test_one_problem_is_a_sentence_and_several_are_lines():
    assert listing([("--cpu", "bad")]) == "--cpu: bad"
    assert listing([("--cpu", "bad"), ("", "worse")]) == "\n  --cpu: bad\n  worse"
