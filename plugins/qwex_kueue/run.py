"""One job as the watches show it: its Jobs and pods, which attempt each pod is, and what was seen and said of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from qwex.state import JobStatus
    from qwex_kueue.journal import Journal
    from qwex_kueue.objects import Job, Pod

__all__ = ["Run"]

#: The attempt of a pod that nobody asked for: its Job was evicted in the moment of its end, and a later one follows it.
_NONE = 0


class Run:
    """A retry is a Job of its own; after a preemption the same Job makes another pod. Each pod is one attempt."""

    __slots__ = (
        "_generations",
        "_journal",
        "attempt",
        "changed",
        "exits",
        "jobs",
        "numbers",
        "pods",
        "refused",
        "run_id",
        "since",
        "stop",
        "stuck",
        "timer",
        "told",
        "vanished",
    )

    def __init__(self, run_id: str, attempt: int, journal: Journal) -> None:
        handed = journal.handed(run_id)
        self._journal = journal
        self.run_id = run_id
        #: When this process first saw its newest Job, or asked why Kueue does not see it (monotonic).
        self.since = time.monotonic()
        #: By name.
        self.jobs: dict[str, Job] = {}
        #: By uid.
        self.pods: dict[str, Pod] = {}
        #: The attempt each pod is, by uid; of pods that are gone, too.
        self.numbers: dict[str, int] = {}
        #: The generation that a pod's Job had when it made the pod, by the pod's uid.
        self._generations: dict[str, int] = {}
        for uid, number, generation in journal.pods(run_id):
            self.numbers[uid], self._generations[uid] = number, generation
        #: The present attempt.
        self.attempt = max(attempt, handed.attempt if handed else 1)
        #: Exit records that were read, by attempt.
        self.exits: dict[int, dict[str, Any]] = {}
        #: Why it can never be admitted, once that is known.
        self.refused = ""
        #: Reason and message it was told to end for.
        self.stop = (handed.stop, handed.stop_message) if handed and handed.stop else None
        self.told: JobStatus | None = None
        #: When its pod was seen not to start (monotonic), or 0.
        self.stuck = 0.0
        #: When its pod was seen to be gone, without a reason yet (monotonic), or 0.
        self.vanished = 0.0
        #: Set at each change; made when someone waits.
        self.changed: asyncio.Event | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def job(self) -> Job | None:
        """The newest of its Jobs."""
        return max(self.jobs.values(), key=lambda job: job.attempt, default=None)

    @property
    def is_over(self) -> bool:
        """Whether its end was told and the cluster has nothing more of it."""
        return self.told is not None and self.told.state.terminal and not self.jobs and not self.pods

    def pod(self, attempt: int) -> Pod | None:
        """The pod of an attempt, as long as there is one."""
        return next((pod for uid, pod in self.pods.items() if self.numbers[uid] == attempt), None)

    def had_pod(self, attempt: int) -> bool:
        """Whether an attempt had a pod that is gone."""
        return self.pod(attempt) is None and attempt in self.numbers.values()

    def before(self, attempt: int) -> list[Job]:
        """Jobs of earlier attempts that nobody has deleted yet."""
        return [job for job in self.jobs.values() if job.attempt < attempt and not job.deleted]

    def take_job(self, job: Job) -> None:
        """A Job as it is now."""
        if job.name not in self.jobs:
            self.since = time.monotonic()
        self.jobs[job.name] = job
        if job.attempt > self.attempt:
            self._turn_to(job.attempt)
        for pod in self.pods.values():
            self._note_generation(pod, job)

    def take_pod(self, pod: Pod) -> None:
        """A pod as it is now."""
        owner = next((job for job in self.jobs.values() if job.uid == pod.job_uid), None)
        if pod.uid not in self.numbers:
            self._number(pod, owner)
        self.pods[pod.uid] = pod
        if owner:
            self._note_generation(pod, owner)

    def begin(self, attempt: int) -> None:
        """The job waits or runs for the ``attempt``-th time."""
        self._turn_to(attempt)
        self._journal.begins(self.run_id, attempt)

    def was_replaced(self, attempt: int) -> bool:
        """Whether the Job was suspended, and perhaps let go again, since it made the attempt's pod.

        A Job's generation rises with every change of its spec, as long as nobody else changes that.
        """
        job = self.job
        made = max((self._generations[uid] for uid, number in self.numbers.items() if number == attempt), default=0)
        return job is not None and 0 < made < job.generation

    def _turn_to(self, attempt: int) -> None:
        self.attempt, self.vanished, self.stuck = attempt, 0.0, 0.0

    def _number(self, pod: Pod, owner: Job | None) -> None:
        """A pod that is new is the present attempt, or the next one if that has had its pod."""
        number = max(self.attempt, max(self.numbers.values(), default=0) + 1) if owner is self.job else _NONE
        self.numbers[pod.uid], self._generations[pod.uid] = number, 0
        self._journal.pod(self.run_id, pod.uid, number)
        if number > self.attempt:
            self.begin(number)

    def _note_generation(self, pod: Pod, owner: Job) -> None:
        """Pods may be seen before the change that lets their Job make them."""
        if owner.uid == pod.job_uid and not owner.suspended and not self._generations[pod.uid]:
            self._generations[pod.uid] = owner.generation
            self._journal.made_by(pod.uid, owner.generation)
