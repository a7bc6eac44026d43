"""docs/kueue.md is true: every reason of the backend is explained, rights are those of deploy/kueue, settings load."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from qwex_kueue import manifests, preflight, settings, states, why

from qwex.backend import Plan
from qwex.spec import JobSpec, Source
from qwex.state import Reason, WaitReason

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/kueue.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def rows(head):
    """The first cells of each table whose head begins with ``head``."""
    tables = re.findall(rf"^\| {head} \|.*\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[line.split(" | ")[0].strip("| ") for line in table.splitlines()] for table in tables]


def test_every_reason_to_wait_is_explained_and_no_other():
    waits, _ = rows("reason")
    known = {*why.REASONS.values(), WaitReason.RECORDED, WaitReason.EXCEEDS_MAX_QUOTA, WaitReason.IMAGE_PULL}
    assert {word.strip("`") for word in waits} == {reason.value for reason in known}


def test_every_reason_to_end_or_to_wait_again_is_explained():
    _, ends = rows("reason")
    known = {reason for reason, _ in states.EVICTIONS.values()} | set(states.TERMINATIONS.values())
    known |= {reason for reason, _ in states.JOB_FAILURES.values()} | {
        reason.value for reason in Reason if reason.value
    }
    assert {word.strip("`") for word in ends} == known | {"Deleted"}


def test_rights_are_those_that_deploy_gives():
    role = next(yaml.safe_load_all((ROOT / "deploy/kueue/base/users.yaml").read_text()))
    given = {(r, verb) for rule in role["rules"] for r in rule["resources"] for verb in rule["verbs"]}
    table = TEXT.partition("### Rights of users")[2].partition("\n\n`")[0]
    written = set()
    for resources, verbs in re.findall(r"^\| (`.*?) \| ([a-z, ]+) \|", table, re.MULTILINE):
        # A group stands before its resources.
        names = [
            name
            for name in re.findall(r"`([^`]+)`", resources)
            if name not in ("apps", "batch") and not name.endswith("k8s.io")
        ]
        written |= {(name, verb) for name in names for verb in verbs.split(", ")}
    assert written == given
    asked = (*preflight.RIGHTS, *preflight.MACHINE_RIGHTS)
    assert {(resource, verb) for verb, _, resource, _ in asked} <= given


@pytest.mark.parametrize("block", TOML, ids=range(len(TOML)))
def test_configurations_load_and_render(block):
    section = settings.read(tomllib.loads(block)["kueue"])
    spec = JobSpec(source=Source(kind="command"), args=("true",))
    plan = Plan(run_id="true-7k3f9q", attempt=1, user="ada", spec=spec)
    pod = manifests.render(plan, section, "default", "qwex-runner", "c0ffee").job["spec"]["template"]["spec"]
    mounted = {mount["name"] for container in pod["containers"] for mount in container["volumeMounts"]}
    assert mounted <= {volume["name"] for volume in pod["volumes"]}
    assert [container["name"] for container in pod["containers"]] == ["job"]
