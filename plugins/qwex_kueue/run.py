"""One job as the watches show it: its Jobs and pods, which attempt each pod is, and what was seen and said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from qwex.state import JobStatus
    from qwex_kueue.journal import Journal
    from qwex_kueue.judging import Puzzle
    from qwex_kueue.objects import Job, Pod

__all__ = ["Run"]

#: The attempt of a pod that nobody asked for: its Job was evicted in the moment of its end, and a later one follows it.
_NONE = 0


class Run:
    """A retry is a Job of its own; after a preemption the same Job makes another pod. Each pod is one attempt."""

    __slots__ = (
        "_generations",
        "_journal",
        "_leaves",
        "_unknown",
        "attempt",
        "changed",
        "exits",
        "jobs",
        "numbers",
        "pods",
        "puzzle",
        "refused",
        "run_id",
        "since",
        "stop",
        "stuck",
        "timer",
        "told",
        "unasked",
        "vanished",
        "verified",
    )

    def __init__(self, run_id: str, attempt: int, journal: Journal, *, leaves: bool = False) -> None:
        handed = journal.handed(run_id)
        self._journal = journal
        self.run_id = run_id
        #: What is puzzling about it, and since when, or when somebody last looked into that (monotonic).
        self.puzzle: Puzzle | None = None
        self.since = 0.0
        #: By name.
        self.jobs: dict[str, Job] = {}
        #: By uid.
        self.pods: dict[str, Pod] = {}
        #: Those whose Job has not been seen yet: which attempt they are cannot be told.
        self._unknown: dict[str, Pod] = {}
        #: The attempt each pod is, by uid; of pods that are gone, too.
        self.numbers: dict[str, int] = {}
        #: The generation that a pod's Job had when it made the pod, by the pod's uid.
        self._generations: dict[str, int] = {}
        for uid, number, generation in journal.pods(run_id):
            self.numbers[uid], self._generations[uid] = number, generation
        #: The present attempt; not one that is only about to be handed over.
        known = handed.attempt if handed and handed.created else 1
        self.attempt = max(attempt, known, *self.numbers.values())
        #: Whether its agent may have left elsewhere how the present attempt ended, and that was not asked for yet.
        self.unasked = self._leaves = leaves
        #: Exit records that were read, by attempt.
        self.exits: dict[int, dict[str, Any]] = {}
        #: Reason and message why it can never start, once that is known.
        self.refused: tuple[str, str] | None = None
        #: Reason and message it was told to end for.
        self.stop = (handed.stop, handed.stop_message) if handed and handed.stop else None
        self.told: JobStatus | None = handed.end if handed else None
        #: When its pod was seen not to start (monotonic), or 0.
        self.stuck = 0.0
        #: When something was first seen of the attempt that other watches may explain (monotonic), or 0.
        self.vanished = 0.0
        #: Whether its objects were asked for since its pod was told to end: watches may lag behind.
        self.verified = False
        #: Set at each change; made when someone waits.
        self.changed: asyncio.Event | None = None
        self.timer: asyncio.TimerHandle | None = None

    @property
    def job(self) -> Job | None:
        """The newest of its Jobs."""
        return max(self.jobs.values(), key=lambda job: job.attempt, default=None)

    @property
    def has_ended(self) -> bool:
        """Whether its end was told, and no further attempt was asked for since."""
        return self._has_ended(self.job)

    @property
    def is_over(self) -> bool:
        """Whether it has ended and the cluster has nothing more of it."""
        return self.has_ended and not self.jobs and not self.pods

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
        self.jobs[job.name] = job
        if job.attempt > self.attempt:
            self._turn_to(job.attempt)
        for pod in [pod for pod in self._unknown.values() if pod.job_uid == job.uid]:
            self.take_pod(self._unknown.pop(pod.uid))
        for pod in self.pods.values():
            self._note_generation(pod, job)

    def take_pod(self, pod: Pod) -> None:
        """A pod as it is now."""
        owner = next((job for job in self.jobs.values() if job.uid == pod.job_uid), None)
        if pod.uid not in self.numbers:
            if self.jobs and owner is None:
                self._unknown[pod.uid] = pod
                return
            self._number(pod, owner)
        self.pods[pod.uid] = pod
        if owner:
            self._note_generation(pod, owner)

    def drop_pod(self, pod: Pod) -> None:
        """A pod is gone."""
        self.pods.pop(pod.uid, None)
        self._unknown.pop(pod.uid, None)

    def is_stray(self, pod: Pod) -> bool:
        """Whether nobody asked for the pod."""
        return self.numbers[pod.uid] == _NONE

    def has_stray(self, job: Job) -> bool:
        """Whether a Job has made a pod that nobody asked for."""
        return any(pod.job_uid == job.uid and self.is_stray(pod) for pod in self.pods.values())

    def begin(self, attempt: int) -> None:
        """The job waits or runs for the ``attempt``-th time."""
        self._turn_to(attempt)
        self._journal.begins(self.run_id, attempt)

    def was_replaced(self, attempt: int) -> bool:
        """Whether the Job was suspended, and perhaps let go again, since it made the attempt's pod.

        A Job's generation rises with every change of its spec, as long as nobody else changes that. A pod that was
        first seen when that may have happened is older than the time at which its Job was last let go.
        """
        job, pod = self.job, self.pod(attempt)
        if job is None:
            return False
        made = max((self._generations[uid] for uid, number in self.numbers.items() if number == attempt), default=0)
        return made < job.generation if made else pod is not None and pod.created < job.started

    def _turn_to(self, attempt: int) -> None:
        self.attempt, self.vanished, self.stuck = attempt, 0.0, 0.0
        self.verified, self.puzzle, self.refused = False, None, None
        self.unasked = self._leaves

    def _number(self, pod: Pod, owner: Job | None) -> None:
        """A pod that is new is the present attempt, or the next one if that has had its pod."""
        asked_for = owner is self.job and not self._has_ended(owner)
        number = max(self.attempt, max(self.numbers.values(), default=0) + 1) if asked_for else _NONE
        self.numbers[pod.uid], self._generations[pod.uid] = number, 0
        self._journal.pod(self.run_id, pod.uid, number)
        if number > self.attempt:
            self._turn_to(number)

    def _has_ended(self, job: Job | None) -> bool:
        """Whether the end that was told is that of this Job's attempts, or of a later one's."""
        told = self.told
        return told is not None and told.state.terminal and (job is None or job.attempt <= (told.attempt or 1))

    def _note_generation(self, pod: Pod, owner: Job) -> None:
        """Pods may be seen before the change that lets their Job make them, and after those that end them."""
        known = self._generations[pod.uid] or owner.suspended or pod.deleted
        if owner.uid == pod.job_uid and not known:
            self._generations[pod.uid] = owner.generation
            self._journal.made_by(pod.uid, owner.generation)
