from __future__ import annotations

import pytest

from qwex.client import AsyncJob, AsyncJobs, Job, Jobs
from qwex.record import JobRecord
from qwex.state import JobState
from qwex_magics.line import job_ids, listing, read

JOB = Job(AsyncJob(None, JobRecord("train-7k3f9q", "train", "ann", "cell", JobState.RUNNING, "local", 1000.0)))
NOTEBOOK = {"lr": 0.1, "cores": 8, "job": JOB, "jobs": Jobs(AsyncJobs([JOB.inner] * 2))}


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
        ("--gpu 1 # it's a comment", ["--gpu", "1"]),
        ("--name a#b --env 'A=# text'", ["--name", "a#b", "--env", "A=# text"]),
        ("attach {job.id}", ["attach", "train-7k3f9q"]),
        ("attach $job.id $job {job}", ["attach", *["train-7k3f9q"] * 3]),
        ("$job.id.csv $lr.csv {{job.id}} $$job.id", ["train-7k3f9q.csv", "0.1.csv", "{job.id}", "$job.id"]),
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


def test_an_attribute_that_is_not_there_is_named():
    assert read("{job.idd}", NOTEBOOK)[1] == [("{job.idd}", "a Job has no attribute 'idd' to put in")]


def test_a_name_stands_for_its_job_or_jobs():
    assert job_ids("job", NOTEBOOK) == ["train-7k3f9q"]
    assert job_ids("jobs", NOTEBOOK) == ["train-7k3f9q"] * 2
    assert job_ids("lr", NOTEBOOK) == ["lr"]
    assert job_ids("train-7k3f9q", NOTEBOOK) == ["train-7k3f9q"]


def test_an_open_quote_is_a_problem():
    assert read("--env 'A=1", {})[1] == [("'", "this quote is not closed")]


def test_one_problem_is_a_sentence_and_several_are_lines():
    assert listing([("--cpu", "bad")]) == "--cpu: bad"
    assert listing([("--cpu", "bad"), ("", "worse")]) == "\n  --cpu: bad\n  worse"
