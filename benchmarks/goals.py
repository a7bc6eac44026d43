"""The goals, each with what was measured and whether it is met."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["GOALS", "Goal", "judged"]

NEAR, KERNEL = "near the floor", "in a kernel"


class Goal(NamedTuple):
    """``value`` and ``against`` name figures as (window, system, measure, figure).

    ``most`` or ``least`` bound the value, ``ratio`` bounds value over against. Bounds in seconds were set on a machine
    where starting a Python took 19 ms; the ratios are what counts.
    """

    text: str
    value: tuple[str, str, str, str]
    most: float | None = None
    least: float | None = None
    against: tuple[str, str, str, str] | None = None
    ratio: float | None = None
    unit: str = "ms"


def _near(system, measure):
    return (NEAR, system, measure, "s")


def _backlog(measure, figure):
    return ("accepting", "qwex-backlog", measure, figure)


def _command(figure):
    return ("command line", "qwex-backlog", "cli", figure)


_BASH = _near("parsl-threads", "single")
_BATCH = _near("parsl-threads", "batch")

GOALS = (
    Goal("one-line cell, against parsl's bash_app", _near("qwex", "cell"), 0.012, against=_BASH, ratio=0.6),
    Goal(
        "one-line cell, against starting a Python",
        _near("qwex", "cell"),
        0.012,
        against=_near("floor", "python"),
        ratio=0.6,
    ),
    Goal("20 cells on 2 slots, against parsl's", _near("qwex", "batch-cells"), 0.12, against=_BATCH, ratio=0.5),
    Goal("20 functions on 2 slots, against parsl's", _near("qwex", "batch-functions"), 0.12, against=_BATCH, ratio=0.5),
    Goal("submits, 8 in flight", _backlog("one-by-one", "per_s"), least=600, unit="/s"),
    Goal(
        "… the last thousand of 10,000 against the first",
        _backlog("one-by-one", "last_per_s"),
        against=_backlog("one-by-one", "first_per_s"),
        ratio=-0.8,
        unit="/s",
    ),
    Goal("submits, in hundreds", _backlog("batches", "per_s"), least=5000, unit="/s"),
    Goal(
        "… the last thousand of 10,000 against the first",
        _backlog("batches", "last_per_s"),
        against=_backlog("batches", "first_per_s"),
        ratio=-0.8,
        unit="/s",
    ),
    Goal("first %%qwex, no daemon, no zygote", ("cold", "qwex-cold", "cell", "s"), 0.7),
    Goal("a printed line, seen by the client", ("output", "qwex-output", "line", "s"), 0.010),
    Goal(
        "100 MB of output to a following client", ("output", "qwex-output", "follow", "mb_per_s"), least=50, unit="MB/s"
    ),
    Goal(
        "… the controller's peak memory against before",
        ("output", "qwex-output", "follow", "peak_mib"),
        against=("output", "qwex-output", "follow", "before_mib"),
        ratio=1.25,
        unit="MiB",
    ),
    Goal("controller's memory, idle", _backlog("one-by-one", "controller_idle_mib"), 80, unit="MiB"),
    Goal("controller's memory, 10,000 queued", _backlog("one-by-one", "controller_queued_mib"), 110, unit="MiB"),
    Goal("qwex list with 10,000 jobs", _command("list_s"), 0.100, against=_command("python_s")),
    Goal("qwex status with 10,000 jobs", _command("status_s"), 0.100, against=_command("python_s")),
    Goal("import qwex in a kernel", (KERNEL, "qwex-kernel", "imports", "import_s"), 0.050),
    Goal("%load_ext qwex_magics in a kernel", (KERNEL, "qwex-kernel", "imports", "load_ext_s"), 0.080),
)


def judged(report, goals=GOALS):
    """Each goal with its value, the ratio and whether it is met; None where it was not measured."""
    medians = {(row["window"], row["system"], row["measure"], row["figure"]): row["median"] for row in report["rows"]}
    return [(goal, *_judge(goal, medians)) for goal in goals]


def _judge(goal, medians):
    value = medians.get(goal.value)
    other = medians.get(goal.against) if goal.against else None
    if value is None:
        return None, None, None
    ratio = value / other if other else None
    kept = [value <= goal.most if goal.most is not None else True, value >= goal.least if goal.least else True]
    if goal.ratio and ratio is None:
        return value, None, None
    if goal.ratio:
        # A negative bound is a lower one.
        kept.append(ratio <= goal.ratio if goal.ratio > 0 else ratio >= -goal.ratio)
    return value, ratio, all(kept)
