from __future__ import annotations

import pytest
from IPython.core.error import UsageError

from qwex.options import SubmitOptions, flags
from qwex_magics.arguments import CELL, by_flag, parse, request


def test_every_option_is_a_flag():
    given = {"priority": "3", "retries": "1", "cpu": "2", "mem": "1Gi", "gpu": "1", "time": "5m", "retry_on": "3"}
    line = " ".join(f"{flag.long} {'' if flag.kind is bool else given.get(flag.name, 'K=V')}" for flag in flags())
    options = request(line, {}, {}).options
    assert options.model_fields_set == set(SubmitOptions.model_fields)


def test_names_come_in_one_word_or_several():
    wanted = request("-i a,b --in c -o m", {}, {})
    assert wanted.inputs == ("a", "b", "c")
    assert wanted.outputs == ("m",)


def test_switches():
    wanted = request("--detach --dry-run --quiet", {}, {})
    assert (wanted.detach, wanted.dry_run, wanted.quiet) == (True, True, True)
    assert not request("", {}, {}).detach


def test_negative_numbers_are_values():
    assert request("--priority -5", {}, {}).options.priority == -5


def test_settings_give_defaults_and_the_line_wins():
    assert request("", {}, {"queue": "night"}).options.queue == "night"
    assert request("-q day", {}, {"queue": "night"}).options.queue == "day"


def test_all_problems_are_told_at_once():
    line = "--gpuu 1 --cpu -1 --mem many --env -o 1a,b,b word --priority high {x}"
    with pytest.raises(UsageError) as raised:
        request(line, {}, {})
    text = str(raised.value)
    for part in (
        "--gpuu: no such flag. Did you mean '--gpu'?",
        "--cpu: '-1' is not an amount of CPU",
        "--mem: 'many'",
        "--env: needs a value: K=V",
        "-o: '1a' is not a Python name",
        "-o: 'b' stands twice",
        "word: not expected here",
        "--priority: 'high' is not a whole number",
        "{x}: no variable 'x' in the notebook",
    ):
        assert part in text
    assert "\n  1: " not in text  # the unknown flag's value is not a second problem


def test_words_after_two_dashes_are_left_alone():
    parsed = parse("train.py --gpu 1 -- --lr 0.1", {}, tuple(flags()))
    assert (parsed.plain, parsed.rest, parsed.given["gpu"]) == (["train.py"], ["--lr", "0.1"], "1")


def test_flags_have_one_spelling_each():
    spellings = [s for flag in (*flags(), *CELL) for s in (flag.long, flag.short) if s]
    assert len(spellings) == len(set(spellings))


def test_a_specs_problems_are_told_by_the_flags():
    fields = ("resources.gpu", "resources.memory", "env.A", "backend_options.x", "timeout", "retry_on.0", "source")
    flagged = ("--gpu", "--mem", "--env", "--option", "--time", "--retry-on", "source")
    assert by_flag((field, "bad") for field in fields) == [(flag, "bad") for flag in flagged]


def test_a_machines_problems_are_told_by_the_flags():
    fields = ("spec.resources.cpu", "resources.gpu", "spec.storage_class", "idle", "spec.provider", "spec.name")
    flagged = ("--cpu", "--gpu", "--storage-class", "--idle", "--on", "NAME")
    assert by_flag((field, "bad") for field in fields) == [(flag, "bad") for flag in flagged]
