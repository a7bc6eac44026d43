"""What a run is told of its job: the facts first, then the files, which a server may refuse or have no place for."""

from __future__ import annotations

import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from qwex import events
from qwex.errors import TrackerUnavailable
from qwex_mlflow import describing, limits
from qwex_mlflow.errors import Refused
from qwex_mlflow.redacting import Secrets
from qwex_mlflow.runs import quoted
from qwex_mlflow.story import Story

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.tracker import TrackedJob
    from qwex_mlflow.runs import Runs

__all__ = ["end", "ended", "fold_in", "record"]

log = logging.getLogger(__name__)

#: Characters of a job's output that are kept beside its run; all of it is in qwex.
_OUTPUT = 1_000_000
_NOTEBOOK = 32_000_000


def record(runs: Runs, run: str, job: TrackedJob, story: Story) -> None:
    """A piece of the job's story. Files that cannot be stored now are stored with its end."""
    params = describing.params(job.spec, job.record) if story.begins else {}
    if params or story.metrics or story.tags:
        runs.log(run, story.metrics, params, story.tags)
    if story.state and not job.record.state.terminal:
        runs.update(run, describing.STATUS[story.state])
    secrets = Secrets(job.spec.env, job.environment)
    files = describing.files(job, secrets) if story.begins and secrets.known else {}
    if owed := _upload(runs, run, {**files, **story.files}):
        runs.log(run, tags={describing.NOT_STORED: ", ".join(owed)})


def ended(runs: Runs, run: str, job: TrackedJob) -> None:
    """The job's status, whatever is still to be told."""
    runs.update(run, describing.STATUS[job.record.state], job.record.ended_at)


def end(runs: Runs, run: str, job: TrackedJob) -> list[str]:
    """The job's end, whatever its code has said of it, and that of all runs it left open.

    Returns what files could not be stored now; all else is told.
    """
    secrets = Secrets(job.spec.env, job.environment)
    # First, so that it is right at once; and last, since until then something of the job may still have spoken.
    ended(runs, run, job)
    data = runs.get(run)["data"]
    tags = _without_theirs(describing.final_tags(job, secrets), data, job)
    runs.log(run, describing.final_metrics(job.record), _own_params(data, job, secrets), tags)
    _end_children(runs, run, job)
    owing = any(each["key"] == describing.NOT_STORED for each in data.get("tags", []))
    files = _first_files(job, secrets) if owing else {}
    if secrets.known:
        files |= _what_it_said(job, secrets)
    owed = _upload(runs, run, files)
    if owed:
        runs.log(run, tags={describing.NOT_STORED: ", ".join(owed)})
    elif owing:
        with contextlib.suppress(Refused):  # told twice at once
            runs.delete_tag(run, describing.NOT_STORED)
    ended(runs, run, job)
    return owed


def fold_in(runs: Runs, earlier: str, run: str) -> None:
    """An attempt that failed becomes the child of the one that starts over."""
    with contextlib.suppress(Refused):  # deleted by hand
        runs.update(earlier, "FAILED", time.time())
        runs.log(earlier, tags={"mlflow.parentRunId": run})


def _without_theirs(tags: dict[str, str], data: Mapping[str, Any], job: TrackedJob) -> dict[str, str]:
    """Without the note, where the job's code has written one of its own."""
    note = next((each["value"] for each in data.get("tags", []) if each["key"] == describing.NOTE), "")
    theirs = note and not note.startswith(describing.headline(job))
    return {key: value for key, value in tags.items() if not (theirs and key == describing.NOTE)}


def _own_params(data: Mapping[str, Any], job: TrackedJob, secrets: Secrets) -> dict[str, str]:
    logged = {each["key"] for each in data.get("params", [])}
    given = describing.own_params(job.spec, secrets)
    return {key: value for key, value in given.items() if limits.name(key) not in logged}


def _first_files(job: TrackedJob, secrets: Secrets) -> dict[str, bytes]:
    """What would have been stored while the job ran."""
    files = describing.files(job, secrets) if secrets.known else {}
    with contextlib.suppress(OSError, TypeError), open(job.log, "rb") as log_of_job:  # type: ignore[arg-type]
        for number, line in enumerate(log_of_job, 1):
            if line.startswith(b'{"type":"packages"'):
                with contextlib.suppress(ValueError):
                    files |= Story.of(job, [events.parse(line, number)]).files
    return files


def _what_it_said(job: TrackedJob, secrets: Secrets) -> dict[str, bytes]:
    found = {}
    if output := job.output(_OUTPUT):
        if len(output) == _OUTPUT:  # its begin is not that of what was printed
            output = secrets.without_a_rest(output)
        found["logs/output.txt"] = secrets.cleaned(output).encode("utf-8", "replace")
    if job.notebook and len(executed := job.notebook()) <= _NOTEBOOK:
        text = secrets.cleaned(executed.decode("utf-8", "replace"))
        found["notebook/executed.ipynb"] = text.encode("utf-8", "replace")
    return found


def _upload(runs: Runs, run: str, files: Mapping[str, bytes]) -> list[str]:
    """A run without its files is a run all the same. Returns those that cannot be stored now."""
    for number, (path, data) in enumerate(files.items()):
        try:
            runs.upload(run, path, data)
        except Refused as error:
            log.warning("%s is not stored beside the run %s: %s", path, run, error)
        except TrackerUnavailable as error:
            log.info("files of the run %s are stored later: %s", run, error)
            return list(files)[number:]  # each would take as long to fail
    return []


def _end_children(runs: Runs, run: str, job: TrackedJob) -> None:
    """Runs that the job's code began and did not end; those that were begun before the job's own get their parent.

    In whatever experiment.
    """
    where = f"tags.`{describing.WITHIN}` = {quoted(job.run_id)}"
    for found in runs.search(runs.experiments(job.record.ended_at), where):
        info, tags = found["info"], {each["key"] for each in found["data"].get("tags", [])}
        if "mlflow.parentRunId" not in tags:
            runs.log(info["run_id"], tags={"mlflow.parentRunId": run})
        if info["status"] in ("RUNNING", "SCHEDULED"):
            ended(runs, info["run_id"], job)
