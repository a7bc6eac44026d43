"""Which parts there are, what each measures and how often, and the goals."""

from __future__ import annotations

from goals import Goal
from plan import Turn

from on_kueue import memory, one_job, output, rates, states, traffic

__all__ = ["GOALS", "PARTS"]

#: Name, what opens its measures in a namespace, its turns, and the seconds after which no further round begins. The
#: last two leave thousands of jobs.
PARTS = (
    ("one job", one_job.part, (Turn("both", "in-turn", rounds=15, quick=1),), 150),
    (
        "changes",
        states.part,
        (
            Turn("qwex", "moves", rounds=5, size=4),
            Turn("qwex", "deleted", rounds=15),
            Turn("qwex", "preflight", rounds=20, quick=3),
            Turn("raw", "dry-run", rounds=20, quick=3),
        ),
        60,
    ),
    (
        "requests",
        traffic.part,
        (Turn("qwex", "unfollowed", rounds=1, size=12), Turn("qwex", "followed", rounds=1, size=12)),
        60,
    ),
    (
        "output",
        output.part,
        (
            Turn("qwex", "line", rounds=3),
            Turn("kubectl", "line-kubectl", rounds=3),
            Turn("qwex", "follow", rounds=10, quick=1, size=50),
            Turn("kubectl", "kubectl", rounds=3, quick=1, size=50),
            Turn("qwex", "tally", rounds=1),
        ),
        220,
    ),
    ("memory", memory.part, (Turn("qwex", "running", rounds=1, size=5000),), 150),
    (
        "rates",
        rates.part,
        (
            Turn("raw", "jobs", rounds=3, size=500),
            Turn("raw", "jobs-and-secrets", rounds=3, size=500),
            Turn("qwex", "one-by-one", rounds=3, size=500),
            Turn("qwex", "at-once", rounds=3, size=500),
        ),
        120,
    ),
)

_BOTH = ("one job", "both", "in-turn")
_PLAIN = ("rates", "raw", "jobs-and-secrets", "per_s")
_JOBS_ONLY = ("rates", "raw", "jobs", "per_s")

GOALS = (
    Goal("submit to first line, added to a plain Job's", (*_BOTH, "added_s"), 0.1),
    Goal("… to a Job's that has its account's token, the default", (*_BOTH, "added_to_token_s"), 0.1),
    Goal(
        "500 queued jobs, 16 in flight, against Jobs and Secrets alone",
        ("rates", "qwex", "one-by-one", "per_s"),
        against=_PLAIN,
        ratio=-0.8,
        unit="/s",
    ),
    Goal("… against Jobs alone", ("rates", "qwex", "one-by-one", "per_s"), against=_JOBS_ONLY, ratio=-0.8, unit="/s"),
    Goal(
        "… in one request, against Jobs and Secrets alone",
        ("rates", "qwex", "at-once", "per_s"),
        against=_PLAIN,
        ratio=-0.8,
        unit="/s",
    ),
    Goal("a job's exit in its pod to the result at the client", (*_BOTH, "qwex_result_s"), 0.15),
    Goal("requests to the API server for each job", ("requests", "qwex", "unfollowed", "requests"), 8, unit="requests"),
    Goal("… that somebody follows", ("requests", "qwex", "followed", "requests"), 8, unit="requests"),
    Goal("… watches begun meanwhile", ("requests", "qwex", "followed", "watches"), 0, unit="watches"),
    # 250 MB
    Goal(
        "controller's memory with 5,000 running jobs", ("memory", "qwex", "running", "projected_mib"), 238, unit="MiB"
    ),
    Goal(
        "… running jobs of which that is projected",
        ("memory", "qwex", "running", "running_jobs"),
        least=5000,
        unit="jobs",
    ),
    Goal("a change in the API server, seen by the client", ("changes", "qwex", "moves", "s"), 0.05),
    Goal("… a waiting Job deleted by hand", ("changes", "qwex", "deleted", "s"), 0.05),
    Goal(
        "50 MB of output to a following client, against kubectl logs -f",
        ("output", "qwex", "follow", "mb_per_s"),
        against=("output", "kubectl", "kubectl", "mb_per_s"),
        ratio=-8,
        unit="MB/s",
    ),
    Goal("… pods of ten of which no line was lost", ("output", "qwex", "tally", "whole_pods"), least=10, unit="pods"),
    Goal("a printed line, seen by the client", ("output", "qwex", "line", "s"), 0.03),
    Goal("a rehearsal (POST /preflight)", ("changes", "qwex", "preflight", "s"), 0.2),
)
