"""The API as a table: the routes are made from it, and so is ``openapi.json``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from qwex.controller import bodies

__all__ = ["NOTEBOOK", "OPERATIONS", "YAML", "Operation", "Parameter"]


class Parameter(NamedTuple):
    """One of the query's or, with a capital letter, of the headers."""

    name: str
    kind: str
    help: str


@dataclass(frozen=True)
class Operation:
    """One thing the API does. ``name`` is the method of ``app.Api`` that does it."""

    method: str
    path: str
    name: str
    summary: str
    body: type | None = None
    #: Name of a class in ``answers``, or ``JobRecord``, ``MachineRecord``, ``Collected``, ``Why``, ``JobSpec``; empty
    #: without JSON.
    answer: str = ""
    media: str = "application/json"
    #: The media type of the same as text, for those who accept it.
    text: str = ""
    status: int = 200
    parameters: tuple[Parameter, ...] = ()
    #: Whether anyone may ask.
    open: bool = False


_FILTER = (
    Parameter("user", "string", "jobs of that user; me is the caller"),
    Parameter("state", "string", "states, comma separated or repeated; status is another name for it"),
    Parameter("queue", "string", "jobs in that queue"),
    Parameter("name", "string", "jobs whose name or id begins so"),
    Parameter("match", "string", "jobs whose name or id contains it, in capitals or not"),
    Parameter("group", "string", "jobs of that array"),
    Parameter("backend", "string", "jobs of that backend"),
    Parameter("tag", "string", "jobs with that tag: key or key=value"),
    Parameter("since", "string", "recorded since then: seconds since the epoch, or ISO 8601"),
)
_PAGE = (
    *_FILTER,
    Parameter("where", "string", "jobs for which a tracker's condition holds: metrics.loss < 0.1"),
    Parameter("limit", "integer", "at most so many, 1000 at most (default 50)"),
    Parameter("cursor", "string", "next_cursor of the page before, in the same order"),
    Parameter("order", "string", "created (default), or ended: those that have not ended, then the newest end first"),
)
_TAIL = (
    "of the output up to now (stream, display, update_display, clear_output, result) only the last so many bytes, from "
    "a record's start; all other records, and all that follow. The ids tell that something is left out. No effect for "
    "a reader that resumes (Last-Event-ID, after)"
)
_EVENTS = (
    Parameter("Last-Event-ID", "integer", "go on after the record with that id"),
    Parameter("after", "integer", "the same, as a parameter"),
    Parameter("follow", "integer", "0 ends at the present end, 1 (default) with the job"),
    Parameter("why", "integer", "1 adds events of type why, without an id, while the job waits"),
    Parameter("types", "string", "only records of these types, comma separated"),
    Parameter("tail", "integer", _TAIL),
)
_LOGS = (
    Parameter("follow", "integer", "1 goes on to the job's end"),
    Parameter("offset", "integer", "id of the last record already seen"),
)
_GLANCED = (Parameter("id", "string", "a job; repeated, up to 200; those that there are not are left out"),)
_KINDS = (
    "what to tell of, comma separated: job (default), machine; each is an event of that type whose data is the record, "
    "and machine-gone has id, name and user of a machine that is no more"
)
_CHANGES = (
    Parameter("kinds", "string", _KINDS),
    Parameter("user", "string", "only that user's; me is the caller"),
    Parameter("keep", "integer", "0 lets an idle controller of one's own end, and the stream with it (default 1)"),
)
_BEHIND = (Parameter("job", "string", "only those that were not told everything of that job"),)
_MACHINES = (Parameter("user", "string", "machines of that user; me is the caller"),)
_PURGE = (Parameter("purge", "integer", "1 removes its home, too (default 0)"),)
_BLOB = (Parameter("size", "integer", "how many there should be; with others they are not stored"),)
_KEY = (Parameter("Idempotency-Key", "string", "the same key and spec twice is one job"),)
#: RFC 9512.
YAML = "application/yaml"
NOTEBOOK = "application/x-ipynb+json"
_EVENT_STREAM = "text/event-stream"
_BYTES = "application/octet-stream"

OPERATIONS = (
    Operation("POST", "/jobs", "submit", "Submit a job", bodies.SubmitBody, "JobRecord", status=201, parameters=_KEY),
    Operation(
        "POST", "/jobs/batch", "submit_many", "Submit jobs, all or none", bodies.BatchBody, "JobList", status=201
    ),
    Operation("GET", "/jobs", "list", "List jobs, newest first", None, "JobPage", parameters=_PAGE),
    Operation("GET", "/jobs/{id}", "get", "A job's record", None, "JobRecord"),
    Operation("DELETE", "/jobs/{id}", "cancel", "Ask a job to end", None, "JobRecord", status=202),
    Operation("GET", "/jobs/{id}/spec", "spec", "A job's spec", None, "JobSpec", text=YAML),
    Operation("GET", "/jobs/{id}/events", "events", "A job's story", media=_EVENT_STREAM, parameters=_EVENTS),
    Operation("GET", "/jobs/{id}/logs", "logs", "A job's output as text", media="text/plain", parameters=_LOGS),
    Operation("GET", "/jobs/{id}/notebook", "notebook", "The notebook with its outputs so far", media=NOTEBOOK),
    Operation("GET", "/jobs/{id}/why", "why", "Why a job waits", None, "Why"),
    Operation("GET", "/jobs/{id}/files", "files", "Files that a job has left in QWEX_FILES", None, "Files"),
    Operation(
        "POST",
        "/jobs/{id}/files",
        "add_file",
        "Add a file to what an ended job has left; its bytes are a blob",
        bodies.FileBody,
        "JobFile",
        status=201,
    ),
    Operation("GET", "/jobs/{id}/metrics", "job_metrics", "What a job's code has logged over time", None, "Metrics"),
    Operation("GET", "/jobs/{id}/values/{name}", "value", "An output value's bytes", media=_BYTES),
    Operation(
        "POST",
        "/jobs/{id}/resubmit",
        "resubmit",
        "The same job again, tagged qwex.resubmit-of",
        bodies.ResubmitBody,
        "JobRecord",
        status=201,
    ),
    Operation("POST", "/preflight", "preflight", "What would happen", bodies.PreflightBody, "Preflight"),
    Operation("GET", "/counts", "counts", "How many jobs are in each state", None, "Counts", parameters=_FILTER),
    Operation("GET", "/glance", "glance", "Last line, progress and why of jobs", None, "Glances", parameters=_GLANCED),
    Operation("GET", "/elsewhere", "elsewhere", "Jobs of other controllers", None, "JobList", parameters=_FILTER),
    Operation("POST", "/gc", "gc", "Remove old jobs, and blobs that nobody needs", bodies.CollectBody, "Collected"),
    Operation("GET", "/queues", "queues", "The queues", None, "Queues"),
    Operation("GET", "/gpus", "gpus", "Which GPUs there are, and how many are free", None, "Gpus"),
    Operation("GET", "/backends", "backends", "The backends", None, "Backends"),
    Operation("GET", "/trackers", "trackers", "How far trackers are behind", None, "Trackers", parameters=_BEHIND),
    Operation("GET", "/plugins", "plugins", "The plugins", None, "Plugins"),
    Operation(
        "GET",
        "/events",
        "changes",
        "Every state change of every job, or machine, from now on",
        media=_EVENT_STREAM,
        parameters=_CHANGES,
    ),
    Operation(
        "POST", "/machines", "create_machine", "Make a dev machine", bodies.MachineBody, "MachineRecord", status=201
    ),
    Operation("GET", "/machines", "machines", "List machines, oldest first", None, "Machines", parameters=_MACHINES),
    Operation("POST", "/machines/preflight", "preflight_machine", "What would be", bodies.MachineBody, "Preflight"),
    Operation("GET", "/machines/{id}", "machine", "A machine's record; its name will do", None, "MachineRecord"),
    Operation(
        "PATCH",
        "/machines/{id}",
        "change_machine",
        "Change a machine's limits and keys",
        bodies.MachineChangesBody,
        "MachineRecord",
    ),
    Operation(
        "DELETE",
        "/machines/{id}",
        "delete_machine",
        "Remove a machine",
        None,
        "MachineRecord",
        status=202,
        parameters=_PURGE,
    ),
    Operation(
        "POST",
        "/machines/{id}/start",
        "start_machine",
        "Have a machine run",
        bodies.MachineChangesBody,
        "MachineRecord",
        status=202,
    ),
    Operation("POST", "/machines/{id}/stop", "stop_machine", "Ask a machine to end", None, "MachineRecord", status=202),
    Operation("GET", "/machines/{id}/why", "machine_why", "Why a machine does not run", None, "Why"),
    Operation("GET", "/machines/{id}/events", "machine_events", "What became of a machine", None, "MachineEvents"),
    Operation("HEAD", "/blobs/{digest}", "has_blob", "Whether bytes are stored", media=_BYTES, parameters=_BLOB),
    Operation("PUT", "/blobs/{digest}", "put_blob", "Store bytes by their digest", media=_BYTES, status=201),
    Operation("GET", "/whoami", "whoami", "Whom the controller takes the caller for", None, "Whoami"),
    Operation("GET", "/healthz", "health", "Whether it answers", None, "Health", open=True),
    Operation("GET", "/readyz", "ready", "Whether it takes jobs", None, "Health", open=True),
    Operation("GET", "/metrics", "metrics", "Figures for Prometheus", media="text/plain", open=False),
    Operation("GET", "/openapi.json", "openapi", "This description", media="application/json", open=True),
)
