"""Names, labels and annotations of what this plugin makes in a cluster."""

from __future__ import annotations

import hashlib
import re

__all__ = [
    "AGENT",
    "ATTEMPT",
    "CONTROLLER",
    "GROUP",
    "JOB",
    "NAME",
    "PRIORITY_CLASS",
    "QUEUE",
    "RUN_ID",
    "USER",
    "attempt_secret_name",
    "is_derived",
    "job_name",
    "label",
    "renewed_secret_name",
]

#: Containers.
AGENT, JOB = "qwex-agent", "job"

RUN_ID = "qwex.dev/run-id"
#: The attempt that a Job begins with; each further pod of the same Job is one more.
ATTEMPT = "qwex.dev/attempt"
#: Whose store and log the job is in.
CONTROLLER = "qwex.dev/controller"
USER = "qwex.dev/user"
GROUP = "qwex.dev/group"
NAME = "qwex.dev/name"

QUEUE = "kueue.x-k8s.io/queue-name"
PRIORITY_CLASS = "kueue.x-k8s.io/priority-class"

#: How names end that are made of a run id. Two hyphens, for one and a number end many a run id: train, train-2.
_DERIVED = re.compile(r".*--(\d+|attempt|renewed)")
_NOT_A_LABEL = re.compile(r"[^A-Za-z0-9_.-]+")


def job_name(run_id: str, attempt: int) -> str:
    """Of the Job that begins with ``attempt``: the run id, which has at most 52 characters, and later its number.

    It is a DNS label, as pods' hostnames are made of it.
    """
    return run_id if attempt == 1 else f"{run_id}--{attempt}"


def attempt_secret_name(job: str) -> str:
    """Of the Secret that tells a Job's next pod which attempt it is."""
    return f"{job}--attempt"


def renewed_secret_name(job: str) -> str:
    """Of the Secret with what a Job's next pod is given in place of what the Job was created with."""
    return f"{job}--renewed"


def is_derived(run_id: str) -> bool:
    """Whether a run id could be the name of something of another job's."""
    return _DERIVED.fullmatch(run_id) is not None


def label(text: str) -> str:
    """``text`` as the value of a label; what cannot stand in one is told apart by a digest."""
    plain = _NOT_A_LABEL.sub("-", text)[:63].strip("-_.")
    if plain == text:
        return plain
    return f"{plain[:54].strip('-_.') or 'x'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
