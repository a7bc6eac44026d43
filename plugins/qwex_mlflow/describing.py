"""A job in MLflow's words: tags, parameters, the note, and the files that let one trust and repeat it. Pure."""

from __future__ import annotations

import json
import re
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from qwex.state import JobState
from qwex_mlflow import limits
from qwex_mlflow.redacting import hidden

if TYPE_CHECKING:
    from qwex.record import JobRecord
    from qwex.spec import JobSpec
    from qwex.tracker import TrackedJob
    from qwex_mlflow.redacting import Secrets

__all__ = [
    "ATTEMPT",
    "CONTROLLER",
    "NOTE",
    "NOT_STORED",
    "RUN_ID",
    "STATE",
    "STATUS",
    "WITHIN",
    "experiment",
    "files",
    "headline",
    "note",
    "params",
    "tags",
]

#: Tags of a job's own run, and of those that its code made itself.
RUN_ID, CONTROLLER, ATTEMPT, WITHIN = "qwex.run_id", "qwex.controller", "qwex.attempt", "qwex.within"
#: Names that mean something to qwex or to MLflow: no tag of a job's has one.
_OURS = ("qwex.", "mlflow.")
#: How the job ended, of a run that was told so; and the files that could not be stored beside it by then.
STATE, NOT_STORED = "qwex.state", "qwex.not_stored"
#: MLflow's own, with what its page says of a run.
NOTE = "mlflow.note.content"

#: MLflow's RunStatus by the job's state.
STATUS = {
    JobState.PENDING: "SCHEDULED",
    JobState.QUEUED: "SCHEDULED",
    JobState.ADMITTED: "SCHEDULED",
    JobState.RUNNING: "RUNNING",
    JobState.SUCCEEDED: "FINISHED",
    JobState.FAILED: "FAILED",
    JobState.CANCELLED: "KILLED",
}

#: MLflow's source.type.
_TYPES = {"cell": "NOTEBOOK", "notebook": "NOTEBOOK"}
_FLAG = re.compile(r"--([A-Za-z][\w.-]*)(?:=(.*))?", re.DOTALL)


def experiment(job: TrackedJob, default: str) -> str:
    """Its name: the job's, the environment's, the site's, or that of the notebook, repository or folder."""
    spec = job.spec
    named = spec.experiment or spec.env.get("MLFLOW_EXPERIMENT_NAME") or default
    if named:
        return named
    if spec.notebook and spec.notebook.path:
        return PurePosixPath(spec.notebook.path).stem
    if spec.source.kind == "notebook" and spec.source.name:
        return PurePosixPath(spec.source.name).stem
    if job.provenance and job.provenance.root:
        return PurePosixPath(job.provenance.root).name
    return PurePosixPath(spec.cwd).name or "qwex"


def tags(job: TrackedJob, controller: str, secrets: Secrets) -> dict[str, str]:
    """What is known at submit, under MLflow's own names where it has some."""
    found = {key: secrets.cleaned(hidden(key, value)) for key, value in _described(job).items() if value}
    # By these it is found again.
    return {**found, RUN_ID: job.record.id, CONTROLLER: controller, ATTEMPT: str(job.attempt)}


def _described(job: TrackedJob) -> dict[str, str]:
    spec, record = job.spec, job.record
    path = spec.notebook.path if spec.notebook else ""
    found = {
        "qwex.backend": record.backend,
        "qwex.queue": record.queue or "",
        "qwex.kind": record.kind,
        "qwex.name": record.name,
        "qwex.code_digest": spec.source.digest if spec.source.text else "",
        "qwex.image": spec.runtime.image or "",
        "qwex.group": spec.group or "",
        "qwex.notebook_cell": spec.notebook.cell_id if spec.notebook else "",
        "mlflow.source.name": path or spec.source.name or record.name,
        "mlflow.source.type": _TYPES.get(record.kind, "JOB"),
        "mlflow.user": record.user,
        NOTE: note(job),
    }
    if git := job.provenance:
        found |= {
            "mlflow.source.git.commit": git.commit,
            "mlflow.source.git.branch": git.branch,
            "mlflow.source.git.repoURL": git.remote,
            "mlflow.source.git.dirty": "true" if git.dirty else "false",
        }
    found |= {f"qwex.parameters.{key}": str(value) for key, value in spec.parameters.items()}
    found |= {key: value for key, value in spec.tags.items() if not key.startswith(_OURS)}
    return found


def params(spec: JobSpec, record: JobRecord) -> dict[str, Any]:
    """What the job was given by qwex; its own code logs nothing under these names."""
    given = {name: value for name, value in spec.resources.model_dump().items() if value is not None}
    return {
        f"qwex.{name}": value for name, value in {**given, "queue": record.queue, "priority": spec.priority}.items()
    }


def own_params(spec: JobSpec, secrets: Secrets) -> dict[str, Any]:
    """A notebook's parameters and a script's ``--name value``: for the end, where the job's code has not logged them.

    A parameter can't be changed in MLflow, so that one logged beforehand would make ``log_param`` of the job's own code
    an error.
    """
    found: dict[str, Any] = dict(spec.parameters)
    words = list(spec.args) if spec.source.kind in ("script", "command") else []
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        if flag := _FLAG.fullmatch(word):
            value = flag[2] if flag[2] is not None else following
            found[flag[1]] = value if value and not (flag[2] is None and _FLAG.fullmatch(value)) else "true"
    return {name: secrets.cleaned(hidden(name, str(value))) for name, value in found.items()}


def headline(job: TrackedJob) -> str:
    """How a note of qwex's begins."""
    return f"qwex job `{job.record.id}`"


def note(job: TrackedJob) -> str:
    """What the run's page says, in Markdown."""
    record = job.record
    said = [f"{headline(job)} of {record.user}, by the backend {record.backend}"]
    if record.queue:
        said[0] += f" in the queue {record.queue}"
    if path := (job.spec.notebook.path if job.spec.notebook else ""):
        said.append(f"From the notebook `{path}`")
    if record.state.terminal:
        how = f"**{record.state.value.lower()}**"
        said.append(f"{how}: {record.message}" if record.message else how)
    said.append(f"Output `qwex logs {record.id}` · once more `qwex resubmit {record.id}`")
    return "\n\n".join(said)


def files(job: TrackedJob, secrets: Secrets) -> dict[str, bytes]:
    """What lies beside the run from its begin: the code, its repository's changes, and the job to submit once more."""
    spec = job.spec
    name = {"cell": "cell.py", "function": "function.py", "notebook": "notebook.ipynb"}.get(spec.source.kind)
    found = {}
    if spec.source.text:
        found[f"code/{name or PurePosixPath(spec.source.name or 'script.py').name}"] = spec.source.text
    if job.provenance and job.provenance.diff:
        found["code/diff.patch"] = job.provenance.diff
    if job.provenance and job.provenance.untracked:
        found["code/untracked.txt"] = "\n".join(job.provenance.untracked) + "\n"
    raw = spec.model_dump(mode="json", exclude_defaults=True)
    if "env" in raw:
        raw["env"] = {key: hidden(key, value) for key, value in raw["env"].items()}
    if "args" in raw:
        raw["args"] = _shown(raw["args"])
    for value in raw.get("inputs", {}).values():
        value.pop("data", None)  # code and data of the submitting kernel, as bytes
    found["qwex/job.json"] = json.dumps(raw, indent=2, ensure_ascii=False) + "\n"
    return {path: secrets.cleaned(text).encode("utf-8", "replace") for path, text in found.items()}


def _shown(args: list[str]) -> list[str]:
    """Arguments without the values of flags that are named like secrets."""
    shown: list[str] = []
    for word, before in zip(args, ["", *args[:-1]], strict=True):
        flag, above = _FLAG.fullmatch(word), _FLAG.fullmatch(before)
        if flag and flag[2]:
            shown.append(f"--{flag[1]}={hidden(flag[1], flag[2])}")
        else:
            shown.append(hidden(above[1], word) if above and above[2] is None and not flag else word)
    return shown


def final_tags(job: TrackedJob, secrets: Secrets) -> dict[str, str]:
    """How it ended."""
    record = job.record
    found = {
        NOTE: secrets.cleaned(note(job)),
        STATE: record.state.value,
        "qwex.reason": record.reason,
        "qwex.message": secrets.cleaned(record.message),
        "qwex.exit_code": "" if record.exit_code is None else str(record.exit_code),
    }
    return {key: value for key, value in found.items() if value}


def final_metrics(record: JobRecord) -> list[dict[str, Any]]:
    """Seconds that the job waited, started and ran, and what it used, as the API has metrics."""
    given = _summary(record).items()
    return [limits.metric(key, value, record.ended_at or record.created_at, 0) for key, value in given]


def _summary(record: JobRecord) -> dict[str, float]:
    times = {
        "system/queue_wait_seconds": _between(record.created_at, record.admitted_at or record.started_at),
        "system/startup_seconds": _between(record.admitted_at, record.started_at),
        "system/duration_seconds": _between(record.started_at, record.ended_at),
        "system/cpu_time_seconds": record.cpu_time,
        "system/peak_memory_megabytes": record.peak_memory / 1e6 if record.peak_memory else None,
    }
    return {key: value for key, value in times.items() if value is not None}


def _between(start: float | None, end: float | None) -> float | None:
    return max(end - start, 0.0) if start is not None and end is not None else None
