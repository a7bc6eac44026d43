"""The results as tables between two marks of KUEUE.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tables

from on_kueue.plan import GOALS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["write"]

BEGIN = "<!-- results: written by kueue.py -->"
_KINDS = {
    "qwex": "**qwex**",
    "plain": "a plain Job without any volume",
    "token": "… with its account's token, the default",
    "sidecar": "… with a sidecar",
    "shape": "qwex's Job, other programs",
}
_STAGES = {
    "submitted_at_s": "submitted",
    "admitted_at_s": "admitted",
    "pod_at_s": "pod made",
    "sidecar_at_s": "sidecar runs",
    "container_at_s": "container runs",
    "printed_at_s": "printed",
    "s": "line here",
    "result_s": "exit to result",
}


def write(path: Path, report: dict[str, Any]) -> None:
    """Put the tables between the marks."""
    parts = (
        _machine(report),
        "### Goals",
        tables.goals(report, GOALS),
        "### One job, from its submit to its first line",
        "When a plain watch, or the client, saw it: seconds since the submit, medians. The last column is the time "
        "from the job's end, of the plain Job to its condition Complete.",
        "\n".join(_stages(report)),
        "### Everything",
        "\n".join(_rest(report)),
    )
    tables.between(path, BEGIN, "\n\n".join(parts))


def _machine(report: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    missing = [f"{name} was not measured: {reason}." for name, reason in report["missing"].items()]
    return "\n\n".join([tables.taken_on(report, versions), *missing])


def _stages(report: dict[str, Any]) -> Iterator[str]:
    rows = {row["figure"]: row["median"] for row in report["rows"] if row["measure"] == "in-turn"}
    yield "| | " + " | ".join(_STAGES.values()) + " |"
    yield "|---|" + "---|" * len(_STAGES)
    for kind, text in _KINDS.items():
        found = [rows.get(f"{kind}_{stage}") for stage in _STAGES]
        yield f"| {text} | " + " | ".join("" if value is None else tables.figure(value, "s") for value in found) + " |"


def _rest(report: dict[str, Any]) -> Iterator[str]:
    yield "| part | system | measure | figure | median (least … most) | n |"
    yield "|---|---|---|---|---|---|"
    for row in report["rows"]:
        name = f"{row['system']} | {row['measure']} | {row['figure']}"
        said = f"{tables.figure(row['median'], row['figure'])} ({tables.span(row)})"
        yield f"| {row['window']} | {name} | {said} | {row['n']} |"
