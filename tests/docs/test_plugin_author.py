"""plugins/README.md is true: hooks with their signatures, scenarios with the kit's numbers and words, cut snippets."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from pathlib import Path

import pytest

from qwex import hookspecs, plugins
from qwex.backend import Capability
from qwex.events import parse
from qwex.testing import ArtifactStoreContract, BackendContract, MachineContract, TrackerContract

PAGE = Path(__file__).parents[2] / "plugins" / "README.md"
TEXT = PAGE.read_text(encoding="utf-8")
KITS = (BackendContract, TrackerContract, ArtifactStoreContract, MachineContract)


def scenarios(kit: type) -> dict[str, str]:
    """``{"1a": "The same plan gives …"}``: number and docstring of each test, the docstring on one line."""
    found = {}
    for name, function in inspect.getmembers(kit, inspect.isfunction):
        if match := re.match(r"test_([0-9a-z]+?)_", name):
            found[match[1]] = " ".join((function.__doc__ or "").split()).replace("``", "`")
    return found


def signature(hook: str) -> str:
    """``qwex_prepare_job(spec: JobSpec) -> JobSpec | None``, as written in hookspecs.py."""
    return f"{hook}{inspect.signature(getattr(hookspecs, hook))}".replace("'", "")


@pytest.mark.parametrize("hook", plugins.HOOKS)
def test_every_hook_is_documented_with_its_signature(hook: str) -> None:
    assert f"\n## `{signature(hook)}`\n" in TEXT


def test_no_other_hook_is_documented() -> None:
    assert set(re.findall(r"^## `(qwex_\w+)\(", TEXT, re.MULTILINE)) == set(plugins.HOOKS)


@pytest.mark.parametrize("kit", KITS)
def test_scenarios_are_numbered_and_worded_as_the_kit_s(kit: type) -> None:
    written = dict(re.findall(r"^\* \*\*(\w+)\*\* (.+(?:\n  .+)*)", TEXT, re.MULTILINE))
    written = {number: " ".join(sentence.split()) for number, sentence in written.items()}
    assert {number: written.get(number) for number in scenarios(kit)} == scenarios(kit)


def test_no_scenario_is_promised_that_is_not_tested() -> None:
    written = re.findall(r"^\* \*\*(\w+)\*\* ", TEXT, re.MULTILINE)
    assert written == [number for kit in KITS for number in sorted(scenarios(kit))]


def test_every_capability_is_listed() -> None:
    known = {value for name, value in vars(Capability).items() if name.isupper()}
    assert set(re.findall(r"^\| `([a-z-]+)` \|", TEXT.partition("## Capabilities")[2], re.MULTILINE)) >= known


@pytest.mark.parametrize(
    ("path", "snippet"),
    re.findall(r"<!-- from (\S+) -->\n```\w+\n(.*?)```", TEXT, re.DOTALL),
    ids=lambda text: text[-40:],
)
def test_snippets_are_cut_from_the_files_they_name(path: str, snippet: str) -> None:
    whole = (PAGE.parent / path).read_text(encoding="utf-8")
    assert snippet in whole or textwrap.indent(snippet, "    ") in whole


def test_every_python_snippet_is_cut_from_a_file() -> None:
    assert TEXT.count("```python\n") == len(re.findall(r"<!-- from \S+ -->\n```python\n", TEXT))


def test_sample_of_events_keeps_the_protocol() -> None:
    (sample,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    records = [parse(line, number) for number, line in enumerate(sample.splitlines(), 1)]
    assert [record.seq for record in records] == [1, 2, 3, 4]
    assert [record.type for record in records] == ["start", "stream", "error", "exit"]
    assert all(next(iter(json.loads(line))) == "type" for line in sample.splitlines())


def test_overridable_parts_of_the_kit_are_those_of_the_table() -> None:
    table = TEXT.partition("Where the defaults do not fit")[2].partition("\n\nA scenario")[0]
    for name in re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE):
        assert hasattr(BackendContract, name), name


def test_overridable_parts_of_the_machines_kit_are_those_of_the_table() -> None:
    table = TEXT.partition("what can be overridden:")[2].partition("\n\n## ")[0]
    names = re.findall(
        r"`(\w+)`", " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    )
    assert set(names) >= {"opener", "stranger", "filling"}
    assert all(hasattr(MachineContract, name) for name in names)
