"""The results as text: a line on the terminal, tables between two marks of README.md."""

from __future__ import annotations

import goals as goals_
from plan import SYSTEMS

__all__ = ["between", "figure", "goals", "line", "span", "taken_on", "write"]

BEGIN, END = "<!-- results: written by run.py -->", "<!-- end of results -->"

#: Rows of the tables of peers: system, measure, what it is, whether the job has a process of its own.
SINGLE = (
    ("near the floor", "floor", "fork", "fork", True),
    ("near the floor", "floor", "shell", "a prepared IPython shell, forked for one cell", True),
    ("near the floor", "floor", "pass", "`python -c pass`", True),
    ("near the floor", "floor", "python", "`python payload.py`", True),
    ("near the floor", "qwex", "cell", "**qwex, `%%qwex` cell**", True),
    ("near the floor", "qwex", "function", "**qwex, function, `.result()`**", True),
    ("near the floor", "parsl-threads", "single", "parsl bash_app on threads, as fast as it can be", True),
    ("near the floor", "parsl-htex", "single", "parsl bash_app on HTEX, as used", True),
    ("near the floor", "parsl-threads", "shared", "parsl python_app on threads", False),
    ("submitit and papermill", "submitit", "single-used", "submitit, `job.result()`, as used", True),
    ("submitit and papermill", "submitit", "single-fast", "submitit, `done()` asked every 2 ms", True),
    ("submitit and papermill", "papermill", "single-used", "papermill command, as used", True),
    ("submitit and papermill", "papermill", "single-fast", "papermill `execute_notebook()`", True),
    ("Ray tasks", "ray-tasks", "single-used", "Ray task, `max_calls=1`, as used", True),
    ("Ray tasks", "ray-tasks", "single-fast", "the same, 3 s rest before each", True),
    ("Ray tasks", "ray-tasks", "shared", "Ray task in a shared worker", False),
    ("Ray Jobs", "ray-jobs", "single-used", "`ray job submit`, as used", True),
    ("Ray Jobs", "ray-jobs", "single-fast", "Ray Jobs client, asked every 20 ms", True),
    ("jupyter-scheduler", "jupyter-scheduler", "single", "jupyter-scheduler, REST asked every 20 ms", True),
)
BATCH = (
    ("near the floor", "floor", "batch-fork", "fork, pool of 2", True),
    ("near the floor", "floor", "batch-python", "`python payload.py`, 2 threads", True),
    ("near the floor", "qwex", "batch-cells", "**qwex, cells**", True),
    ("near the floor", "qwex", "batch-functions", "**qwex, `qwex.map`**", True),
    ("near the floor", "parsl-threads", "batch", "parsl bash_app on threads", True),
    ("near the floor", "parsl-htex", "batch", "parsl bash_app on HTEX, as used", True),
    ("submitit and papermill", "submitit", "batch-used", "submitit, as used (no queue: starts all 20)", True),
    ("submitit and papermill", "submitit", "batch-fast", "submitit, asked every 2 ms", True),
    ("submitit and papermill", "papermill", "batch-used", "papermill commands, 2 threads", True),
    ("submitit and papermill", "papermill", "batch-fast", "papermill function, 2 processes", True),
    ("Ray tasks", "ray-tasks", "batch", "Ray tasks, `max_calls=1`", True),
    ("Ray Jobs", "ray-jobs", "batch", "Ray Jobs, one CPU each", True),
    ("jupyter-scheduler", "jupyter-scheduler", "batch", "jupyter-scheduler (no limit: starts all 20)", True),
)
COLD = (
    ("cold", "qwex-cold", "cell", "**qwex: interpreter, IPython, daemon, zygote, cell**", True),
    ("cold", "submitit", "cold", "submitit (nothing to start)", True),
    ("cold", "parsl-threads", "cold", "parsl, threads", True),
    ("cold", "parsl-htex", "cold", "parsl, HTEX", True),
    ("cold", "ray-tasks", "cold", "Ray, `ray.init()`", True),
    ("cold", "jupyter-scheduler", "cold", "jupyter-scheduler, its server", True),
)
ACCEPT = (
    ("floor", "commits-full", "SQLite, one commit each, `synchronous=FULL`", "yes"),
    ("floor", "commits-normal", "SQLite, one commit each, `synchronous=NORMAL`", "not through a power cut"),
    ("qwex-backlog", "one-by-one", "**qwex, 8 in flight**", "yes"),
    ("qwex-backlog", "batches", "**qwex, in hundreds**", "yes"),
    ("ray-tasks", "accept", "Ray tasks", "no: the driver's memory"),
    ("parsl-htex", "accept", "parsl python_app, HTEX", "no: the client's memory"),
)


class Report:
    """Rows of a report by what they are."""

    def __init__(self, report):
        self._rows = {(row["window"], row["system"], row["measure"], row["figure"]): row for row in report["rows"]}

    def row(self, *key):
        """The row, or None."""
        return self._rows.get(key)

    def ratio(self, window, measure, row):
        """How many times the qwex figure of the same window the row is."""
        own = self.row(window, "qwex", measure, "s")
        return f"{row['median'] / own['median']:.3g}" if own else ""


def line(row):
    """One row for the terminal."""
    spread = f"{figure(row['median'], row['figure'])} ({span(row)})"
    return f"{row['system']:18} {row['measure']:16} {row['figure']:22} {spread}  n={row['n']}"


def goals(report, among=goals_.GOALS):
    """The goals as a table."""
    lines = ["| | goal | measured | ratio | met |", "|---|---|---|---|---|"]
    for goal, value, ratio, met in goals_.judged(report, among):
        said = "not measured" if value is None else _amount(value, goal.unit)
        verdict = {True: "yes", False: "**no**", None: ""}[met]
        lines.append(
            f"| {goal.text} | {_bound(goal)} | {said} | {'' if ratio is None else f'{ratio:.2f}'} | {verdict} |"
        )
    return "\n".join(lines)


def write(path, report):
    """Put the tables between the marks."""
    between(path, BEGIN, _body(report))


def between(path, begin, text):
    """Put a text between the mark ``begin`` and the end mark."""
    before, rest = path.read_text().split(begin)
    path.write_text(f"{before}{begin}\n\n{text}\n\n{END}{rest.split(END)[1]}")


def _body(report):
    return "\n\n".join(
        [
            _machine(report),
            "### Goals",
            goals(report),
            "### One job, warm: submitted, result in hand",
            _peers(report, SINGLE, "cell"),
            "### Twenty jobs on two slots, all results in hand",
            _peers(report, BATCH, "batch-cells"),
            "### Accepted per second while both slots are held",
            _accepting(report),
            "### A fresh process to its first result",
            _cold(report),
            "### Everything else",
            _rest(report),
        ]
    )


def _machine(report):
    versions = ", ".join(f"{SYSTEMS[name].label} {version}" for name, version in _versions(report))
    missing = [f"{SYSTEMS[name].label} was not measured: {reason}." for name, reason in report["missing"].items()]
    return "\n\n".join([taken_on(report, versions), *missing])


def taken_on(report, versions):
    """When, on what machine, and how busy that was."""
    machine = report["machine"]
    busy = ", ".join(f"{share:.0%}" for share in report["busy_before"].values())
    optimized = "" if machine["optimized_python"] else " (not built with profile-guided optimization)"
    lines = [
        f"Measured {report['began']} in {report['minutes']:.0f} minutes: {machine['cores']} cores of "
        f"{machine['processor']}, {machine['memory_gib']} GiB, {machine['system']}, Python {machine['python']}"
        f"{optimized}. {versions}.",
        f"Busy before each part: {busy}. Median (least … most), n samples.",
    ]
    return "\n\n".join(lines)


def _versions(report):
    labels = {}
    for name, version in report["versions"].items():
        if name != "floor":
            labels.setdefault(version + SYSTEMS[name].script.split("_")[0], (name, version))
    return labels.values()


def _peers(report, rows, own):
    data = Report(report)
    lines = ["| | median (least … most) | n | × qwex, in turn | own process |", "|---|---|---|---|---|"]
    for window, system, measure, text, isolated in rows:
        if row := data.row(window, system, measure, "s"):
            shown = f"{figure(row['median'], 's')} ({span(row)})"
            ratio = data.ratio(window, own, row)
            lines.append(f"| {text} | {shown} | {row['n']} | {ratio} | {'yes' if isolated else 'no'} |")
    return "\n".join(lines)


def _accepting(report):
    data = Report(report)
    lines = ["| | per second | n | first, last thousand | durable |", "|---|---|---|---|---|"]
    for system, measure, text, durable in ACCEPT:
        if row := data.row("accepting", system, measure, "per_s"):
            ends = [data.row("accepting", system, measure, figure) for figure in ("first_per_s", "last_per_s")]
            said = ", ".join(f"{end['median']:,.0f}" for end in ends if end)
            lines.append(f"| {text} | {row['median']:,.0f} ({span(row)}) | {row['n']} | {said} | {durable} |")
    return "\n".join(lines)


def _cold(report):
    data = Report(report)
    lines = ["| | median (least … most) | n |", "|---|---|---|"]
    for window, system, measure, text, _ in COLD:
        row = data.row(window, system, measure, "whole_s") or data.row(window, system, measure, "s")
        if row:
            lines.append(f"| {text} | {figure(row['median'], 's')} ({span(row)}) | {row['n']} |")
    return "\n".join(lines)


def _rest(report):
    lines = ["| part | system | measure | figure | median (least … most) | n |", "|---|---|---|---|---|---|"]
    shown = {row[:3] for row in (*SINGLE, *BATCH)}
    for row in report["rows"]:
        if (row["window"], row["system"], row["measure"]) in shown or (
            row["system"] == "floor" and row["figure"] == "s"
        ):
            continue
        if (
            row["measure"] == "batch-cells"
            or row["measure"] == "batch-functions"
            or (row["system"] == "qwex" and row["figure"] == "s")
        ):
            continue
        said = f"{figure(row['median'], row['figure'])} ({span(row)})"
        lines.append(
            f"| {row['window']} | {row['system']} | {row['measure']} | {row['figure']} | {said} | {row['n']} |"
        )
    return "\n".join(lines)


def _bound(goal):
    parts = []
    if goal.most is not None:
        parts.append(f"≤ {_amount(goal.most, goal.unit)}")
    if goal.least:
        parts.append(f"≥ {_amount(goal.least, goal.unit)}")
    if goal.ratio:
        parts.append(f"ratio ≤ {goal.ratio}" if goal.ratio > 0 else f"ratio ≥ {-goal.ratio}")
    return ", ".join(parts)


def _amount(value, unit):
    if unit == "ms":
        return figure(value, "s")
    return f"{value:,.0f} {unit}".replace(" /s", "/s")


def span(row):
    """The least and the most."""
    return f"{figure(row['min'], row['figure'])} … {figure(row['max'], row['figure'])}"


def figure(value, name):
    """Seconds as ms or s, the rest as numbers."""
    if (name != "s" and not name.endswith("_s")) or name.endswith("per_s"):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.3g} ms"
