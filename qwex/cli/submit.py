"""``qwex submit``: a script, a notebook, a command or a described job goes into the queue."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qwex.cli import checks, describe, exits
from qwex.cli.command import JSON_LINES, Command, Flag, Given, Word
from qwex.cli.connect import client
from qwex.cli.dryrun import dry_run
from qwex.cli.screen import note, print_json, print_json_line, say
from qwex.state import JobState

if TYPE_CHECKING:
    from qwex.client import Client, Job
    from qwex.record import JobRecord
    from qwex.spec import JobSpec
    from qwex.state import Why

__all__ = ["COMMAND", "FLAGS", "told"]

#: What becomes of a job once it is submitted; of every command that submits one.
FLAGS = (
    Flag("wait", "--wait", "stream its output and end with its exit code", "-w"),
    Flag("quiet", "--quiet", "print the job's id only; with --wait, its output only"),
    JSON_LINES._replace(help="print JSON; with --wait, a line for each event"),
)
_DRY_RUN = Flag("dry_run", "--dry-run", "show what would be sent and how long it would wait; submit nothing")


def _flags() -> tuple[Flag, ...]:
    from qwex.cli.jobspec import PARAM, option_flags

    return (*option_flags(), PARAM, _DRY_RUN, *FLAGS)


def _run(given: Given) -> int:
    from qwex.cli.jobspec import build

    spec = build(given["work"], given["rest"], given)
    connection = client()
    checks.places(connection, spec)
    with checks.named_as_flags(spec.backend_options):
        if given["dry_run"]:
            return dry_run(connection, spec, as_json=given["json"])
        job = _submitted(connection, spec)
    return told(connection, job.record, given)


def told(client: Client, record: JobRecord, given: Given) -> int:
    """Say where the submitted job stands, or follow it, as the flags wish; the exit code."""
    if given["wait"]:
        return _follow(client, record, as_json=given["json"], quiet=given["quiet"])
    if given["quiet"] and not given["json"]:
        say(record.id)
    else:
        _show(client, record, as_json=given["json"])
    return exits.OK


def _submitted(client: Client, spec: JobSpec) -> Job:
    from qwex.spec import mint_run_id

    run_id = mint_run_id(spec.title)
    try:
        return client.submit(spec, run_id=run_id)
    except KeyboardInterrupt:
        note(f"interrupted while {run_id} was being submitted. See whether it was: qwex status {run_id}", over=True)
        sys.exit(exits.INTERRUPTED)


def _follow(client: Client, record: JobRecord, *, as_json: bool, quiet: bool) -> int:
    from qwex.cli.follow import Follower

    if as_json:
        print_json_line({"type": "job", **record.as_dict()})
    elif not quiet and not sys.stderr.isatty():
        note(_queued(record, None))
    return Follower(client, record, json=as_json, quiet=quiet).run()


def _show(client: Client, record: JobRecord, *, as_json: bool) -> None:
    """Say where the job stands, and what may be done next."""
    if as_json:
        print_json(record.as_dict())
        return
    waits = record.state in (JobState.PENDING, JobState.QUEUED)
    say(_queued(record, client.why(record.id) if waits else None), "bold")
    say(describe.next_steps(record.id))


def _queued(record: JobRecord, why: Why | None) -> str:
    """``train-7k3f9q queued in gpu-team on kueue (3rd)``."""
    place = f" ({describe.ordinal(why.position)})" if why and why.position else ""
    queue = f" in {record.queue}" if record.queue else ""
    return f"{record.id} {record.state.lower()}{queue} on {record.backend}{place}"


COMMAND = Command(
    "submit a script, a notebook, a command or a described job",
    _run,
    (
        Word(
            "work", "FILE.py|FILE.ipynb|JOB.yaml",
            "a Python script, a notebook, or a job spec in YAML or JSON (docs/jobspec.md)",
            required=False,
        ),
    ),
    _flags,
    rest="the arguments of the script, or a command instead of one",
    examples=(
        "qwex submit train.py --gpu 1 -- --lr 0.1",
        "qwex submit report.ipynb -p year=2026",
        "qwex submit --name count -- seq 3",
        "qwex submit train.py --wait",
        "qwex submit job.yaml --queue night",
    ),
)  # fmt: skip
