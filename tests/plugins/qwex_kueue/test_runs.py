from __future__ import annotations

import asyncio
import json
import time

import pytest
from objects_as_the_api_has_them import EVICTED, RUNNING, condition, job, pod, terminated, workload
from qwex_kueue.journal import Journal
from qwex_kueue.judging import Puzzle
from qwex_kueue.runs import Runs
from qwex_kueue.settings import KueueSettings

from qwex.state import JobState

pytestmark = pytest.mark.anyio
ADMITTED = condition("Admitted", reason="Admitted")
FAILED = condition("Failed", reason="BackoffLimitExceeded")
LOST = {"code": 137, "reason": "Lost", "message": "it was killed"}
KILLED = {"code": 143, "reason": "Signal", "message": "Ended by SIGTERM.", "terminated": True}
#: What jobs make of their SIGTERM.
ENDS_WHEN_TOLD = [
    KILLED,
    *({"code": code, "reason": "ExitCode" if code else "", "message": "", "terminated": True} for code in (0, 9)),
]
DONE = {"code": 0, "reason": "", "message": "", "terminated": False}


class Cluster:
    """What the watches would show, fed by hand."""

    def __init__(self, folder):
        self.folder = folder
        self.told = []
        self.given_up = set()
        self.begin()

    def begin(self, *, complete=True, patience=0.01, leaves=False):
        """A controller that starts: the journal is there, the objects are listed again."""
        journal = Journal(self.folder / "kueue.db")
        self.runs = Runs(journal, KueueSettings(workload_patience=patience), "me", self._tell, leaves=leaves)
        self.vanished = []
        self.runs.puzzles = self._verify
        self.runs.hopeless = lambda run: self.given_up.add(run.run_id)
        self.journal = journal
        self.objects = {}
        if complete:
            self.runs.complete()

    def _verify(self, run, puzzle):
        """The cluster has nothing but what was shown."""
        if puzzle is Puzzle.UNEXPLAINED:
            self.runs.verified(run)
        elif puzzle is Puzzle.VANISHED and run not in self.vanished:
            self.vanished.append(run)

    def _tell(self, run_id, status):
        self.told.append((status.state.value, status.reason, status.attempt))

    def show(self, kind, key, now):
        before = self.objects.get(key)
        self.objects[key] = now
        getattr(self.runs, f"{kind}_changed")(before, now)

    def hand_over(self, attempt=1):
        self.journal.creates("train-abc", attempt)
        self.show_job(attempt=attempt)
        self.journal.created("train-abc")

    def show_job(self, *conditions, attempt=1, **more):
        name = None if attempt == 1 else f"train-abc-{attempt}"
        self.show("job", f"job-{attempt}", job(*conditions, attempt=attempt, name=name, **more))


@pytest.fixture
def cluster(tmp_path):
    return Cluster(tmp_path)


async def test_a_job_is_told_of_from_queue_to_end(cluster):
    cluster.hand_over()
    cluster.show("workload", "w", workload(condition("QuotaReserved", "False", "WaitingForQuota")))
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.show("pod", "p", pod())
    cluster.show("pod", "p", pod(state=RUNNING, phase="Running"))
    cluster.show("pod", "p", pod(state=terminated(0, "Completed"), phase="Succeeded"))
    assert [state for state, _, _ in cluster.told] == ["QUEUED", "ADMITTED", "RUNNING", "SUCCEEDED"]


async def test_nothing_is_told_after_the_end(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=terminated(0, "Completed")))
    cluster.show("job", "job-1", None)
    cluster.show("pod", "p", None)
    assert cluster.told[-1][0] == "SUCCEEDED"
    assert cluster.runs.status("train-abc").state is JobState.SUCCEEDED


async def test_a_job_that_is_forgotten_is_not_known_again_by_what_is_seen_of_its_deletion(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=terminated(0, "Completed")))
    cluster.runs.forget("train-abc")
    cluster.journal.forget("train-abc")
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.show("job", "job-1", cluster.objects["job-1"])
    assert cluster.runs.status("train-abc") is None
    cluster.show("job", "job-1", None)
    cluster.show("pod", "p", None)
    assert cluster.runs.status("train-abc") is None
    assert cluster.runs.get("train-abc") is None


async def test_the_exit_record_of_a_followed_job_is_its_end_before_kubernetes_knows(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING, phase="Running"))
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, DONE)
    assert cluster.told[-1] == ("SUCCEEDED", "", 1)


async def test_preemption_is_a_story_of_attempts(cluster):
    cluster.hand_over()
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("workload", "w", workload(ADMITTED, EVICTED))
    cluster.show("pod", "p", pod(state=RUNNING, deleted=True))
    assert cluster.told[-1][0] == "RUNNING"
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, KILLED)
    assert cluster.told[-1] == ("QUEUED", "Preempted", 2)
    cluster.show("pod", "p", None)
    cluster.show("workload", "w", workload(condition("Requeued")))
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.show("pod", "p2", pod(uid="pod-2", state=RUNNING))
    assert cluster.told[-2:] == [("ADMITTED", "", 2), ("RUNNING", "", 2)]


@pytest.mark.parametrize("end", ENDS_WHEN_TOLD, ids=lambda end: str(end["code"]))
async def test_a_preempted_job_runs_again_whatever_it_makes_of_its_signal(cluster, end):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("workload", "w", workload(EVICTED))
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, end)
    assert cluster.told[-1] == ("QUEUED", "Preempted", 2)


async def test_an_eviction_that_is_over_makes_no_other_end_of_a_jobs_own(cluster):
    """Each kind of object has a watch of its own: the Workload may be shown as it was before the pod began."""
    cluster.hand_over()
    cluster.show("workload", "w", workload(EVICTED))
    cluster.show("pod", "p", pod(state=terminated(3)))
    assert cluster.told[-1] == ("FAILED", "ExitCode", 1)


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_job_that_is_evicted_after_its_end_does_not_begin_anew(cluster, restarts):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, DONE)
    assert cluster.given_up == set()
    if restarts:
        cluster.begin()
    cluster.show_job(suspended=True)
    assert cluster.given_up == {"train-abc"}
    assert cluster.runs.status("train-abc").state is JobState.SUCCEEDED
    assert cluster.told[-1] == ("SUCCEEDED", "", 1)


async def test_an_ended_job_that_has_begun_anew_is_given_up(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, DONE)
    cluster.begin(complete=False)
    cluster.show_job(generation=4)
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.show("pod", "p2", pod(uid="pod-2", state=RUNNING))
    cluster.runs.complete()
    assert cluster.runs.status("train-abc").state is JobState.SUCCEEDED
    assert cluster.given_up == {"train-abc"}
    assert cluster.runs.get("train-abc").attempt == 1


async def test_a_container_that_was_killed_is_explained_by_what_the_kubelet_says_next(cluster):
    """Out of memory ends every process of the container at once; the agent sees it first."""
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    lost = {"code": 137, "reason": "Lost", "message": "the job's processes were killed from outside"}
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, lost)
    assert cluster.told[-1] == ("RUNNING", "", 1)
    cluster.show("pod", "p", pod(state=terminated(137, "OOMKilled")))
    assert cluster.told[-1] == ("FAILED", "OutOfMemory", 1)


@pytest.mark.parametrize("end", [None, *ENDS_WHEN_TOLD], ids=lambda end: str(end and end["code"]))
async def test_a_running_job_that_is_deactivated_has_failed(cluster, end):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("workload", "w", workload(condition("Evicted", reason="Deactivated"), active=False))
    cluster.show_job(suspended=True)
    if end:
        cluster.runs.ended(cluster.runs.get("train-abc"), 1, end)
    else:
        cluster.show("pod", "p", None)
    assert cluster.told[-1] == ("FAILED", "Deactivated", 1)


async def test_who_took_the_place_is_named_where_that_may_be_seen(cluster):
    taker = "0c9d9fba-6c1f-4f4e-9a2e-3b5b4d6d0001"
    message = f"Preempted to accommodate a workload (UID: 1, JobUID: {taker}) due to prioritization in the ClusterQueue"
    preempted = condition("Preempted", reason="InClusterQueue", message=message)
    cluster.hand_over()
    cluster.show("workload", "other", workload(job_uid=taker, name="job-urgent", owner="urgent-7k3f9q"))
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("workload", "w", workload(EVICTED, preempted))
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, KILLED)
    said = cluster.runs.status("train-abc").message
    assert said == "a job of higher priority in the same cluster queue (urgent-7k3f9q) took its place; it waits again"


async def test_a_preempted_pod_that_vanishes_without_last_words_is_requeued_too(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("workload", "w", workload(EVICTED))
    cluster.show("pod", "p", None)
    assert cluster.told[-1] == ("QUEUED", "Preempted", 2)


async def test_the_attempts_of_pods_outlive_the_controller(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("workload", "w", workload(EVICTED))
    cluster.show("pod", "p", None)
    for _ in range(2):
        cluster.begin(complete=False)
        cluster.show("job", "job-1", job())
        cluster.show("pod", "p2", pod(uid="pod-2", state=RUNNING))
        cluster.runs.complete()
        assert cluster.told[-1] == ("RUNNING", "", 2)


@pytest.mark.parametrize("end", ENDS_WHEN_TOLD, ids=lambda end: str(end["code"]))
async def test_a_preempted_job_whose_workload_says_so_no_more_runs_again_all_the_same(cluster, end):
    """Someone deleted the Workload, or Kueue let the Job go again before this controller came back."""
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.begin(complete=False)
    cluster.show_job(generation=4)
    cluster.show("workload", "w2", workload(ADMITTED, name="job-train-again"))
    cluster.show("pod", "p", pod(state=terminated(end["code"], message=json.dumps(end)), deleted=True))
    cluster.runs.complete()
    assert cluster.told[-2:] == [("QUEUED", "Evicted", 2), ("ADMITTED", "", 2)]
    cluster.show("pod", "p", None)
    cluster.show("pod", "p2", pod(uid="pod-2", state=RUNNING))
    assert cluster.told[-1] == ("RUNNING", "", 2)


async def test_a_pod_is_of_the_generation_that_made_it_however_late_that_is_seen(cluster, monkeypatch):
    monkeypatch.setattr("qwex_kueue.judging._SETTLE", 0.0)
    cluster.hand_over()
    cluster.show_job(suspended=True, generation=1)
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show_job(generation=2)
    cluster.show("pod", "p", pod(state=terminated(143, message=json.dumps(KILLED)), deleted=True))
    assert cluster.told[-1] == ("FAILED", "Lost", 1)


async def test_a_pod_deleted_by_hand_is_lost_and_may_be_tried_again(cluster):
    cluster.hand_over()
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("pod", "p", None)
    assert cluster.told[-1] == ("RUNNING", "", 1)
    cluster.show_job(FAILED)
    assert cluster.told[-1] == ("FAILED", "Lost", 1)
    assert "deleted" in cluster.runs.status("train-abc").message
    cluster.hand_over(attempt=2)
    assert cluster.told[-1] == ("QUEUED", "", 2)


@pytest.mark.parametrize("end", ENDS_WHEN_TOLD, ids=lambda end: str(end["code"]))
async def test_a_pod_that_someone_deletes_is_lost_whatever_it_makes_of_its_signal(cluster, monkeypatch, end):
    """Its agent waits for a reader, so that the pod is not gone yet; its Job takes a good end for complete."""
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("pod", "p", pod(state=RUNNING, deleted=True))
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, end)
    assert cluster.told[-1] == ("RUNNING", "", 1)
    cluster.show_job(condition("FailureTarget" if end["code"] else "SuccessCriteriaMet"))
    monkeypatch.setattr("qwex_kueue.judging._SETTLE", 0.0)
    cluster.runs.look(cluster.runs.get("train-abc"))
    assert cluster.told[-1] == ("FAILED", "Lost", 1)


async def test_a_signal_from_within_the_pod_is_the_jobs_own_end(cluster, monkeypatch):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, KILLED)
    assert cluster.told[-1] == ("RUNNING", "", 1)
    monkeypatch.setattr("qwex_kueue.judging._SETTLE", 0.0)
    cluster.runs.look(cluster.runs.get("train-abc"))
    assert cluster.told[-1] == ("FAILED", "Signal", 1)


async def test_a_pod_that_was_replaced_before_anybody_saw_it_is_older_than_its_jobs_start(cluster):
    cluster.hand_over()
    cluster.begin(complete=False)
    cluster.show_job(generation=4, started="2026-11-26T00:05:00Z")
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.show("pod", "p", pod(state=terminated(143, message=json.dumps(KILLED)), deleted=True))
    cluster.runs.complete()
    assert ("QUEUED", "Evicted", 2) in cluster.told


async def test_a_pod_that_is_seen_before_its_job_waits_for_it(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=terminated(3)))
    cluster.journal.creates("train-abc", 2)
    cluster.show("pod", "p2", pod(uid="pod-2", job_uid="job-train-abc-2", state=RUNNING))
    assert cluster.told[-1] == ("FAILED", "ExitCode", 1)
    cluster.show_job(attempt=2)
    assert cluster.told[-1] == ("RUNNING", "", 2)


async def test_a_watch_that_lags_behind_does_not_make_a_preemption_the_jobs_own_end(cluster, monkeypatch):
    """The agent's word comes by a connection of its own; before it counts, the objects are asked for."""
    monkeypatch.setattr("qwex_kueue.judging._SETTLE", 0.0)

    def verify(run, puzzle):
        cluster.show_job(suspended=True)
        cluster.runs.verified(run)

    cluster.runs.puzzles = verify
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, {**DONE, "terminated": True})
    assert ("QUEUED", "Evicted", 2) in cluster.told
    assert "SUCCEEDED" not in [state for state, _, _ in cluster.told]


async def test_a_job_that_loses_its_quota_before_it_has_a_pod_is_back_in_its_queue(cluster):
    cluster.hand_over()
    cluster.show("workload", "w", workload(ADMITTED))
    assert cluster.told[-1] == ("ADMITTED", "", 1)
    cluster.show("workload", "w", workload(condition("Evicted", reason="PodsReadyTimeout")))
    assert cluster.told[-1] == ("QUEUED", "PodsReadyTimeout", 2)
    cluster.show("pod", "p", pod(state=RUNNING))
    assert cluster.told[-1] == ("RUNNING", "", 2)


async def test_a_controller_that_is_killed_before_it_has_deleted_the_job_of_the_attempt_before(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=terminated(3)))
    cluster.journal.creates("train-abc", 2)
    cluster.begin(complete=False)
    cluster.show_job(FAILED)
    cluster.show("pod", "p", pod(state=terminated(3)))
    cluster.runs.complete()
    assert cluster.told[-1] == ("FAILED", "ExitCode", 1)
    assert cluster.runs.status("train-abc") is None
    cluster.hand_over(attempt=2)
    assert cluster.told[-1] == ("QUEUED", "", 2)
    assert cluster.given_up == set()


async def test_what_was_given_up_is_given_up_by_the_next_controller_too(cluster):
    unstartable = pod(agent={"waiting": {"reason": "ErrImageNeverPull"}})
    cluster.hand_over()
    cluster.show("pod", "p", unstartable)
    assert cluster.told[-1] == ("FAILED", "StartFailed", 1)
    cluster.given_up.clear()
    cluster.begin(complete=False)
    cluster.show_job()
    cluster.show("pod", "p", unstartable)
    cluster.runs.complete()
    assert cluster.given_up == {"train-abc"}


async def test_what_kept_one_attempt_from_starting_does_not_keep_the_next(cluster):
    cluster.hand_over()
    run = cluster.runs.get("train-abc")
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.runs.refuses(run, "secret not found")
    cluster.show("workload", "w", workload(EVICTED))
    cluster.show("pod", "p", None)
    assert cluster.told[-1] == ("QUEUED", "Preempted", 2)


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_cancelled_job_on_a_node_that_does_not_answer_ends(cluster, restarts):
    away = pod(condition("DisruptionTarget", reason="DeletionByTaintManager"), state=RUNNING, deleted=True)
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.runs.stops(cluster.runs.get("train-abc"), "CancelledByUser", "cancelled by its user")
    if restarts:
        cluster.begin(complete=False)
    cluster.show_job(deleted=True)
    cluster.show("pod", "p", away)
    cluster.runs.complete()
    assert cluster.told[-1] == ("CANCELLED", "CancelledByUser", 1)


async def test_a_pod_that_is_drained_runs_until_its_end(cluster, monkeypatch):
    """Another attempt beside it would be a second copy."""
    monkeypatch.setattr("qwex_kueue.judging._SETTLE", 0.0)
    drained = condition("DisruptionTarget", reason="EvictionByEvictionAPI")
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("pod", "p", pod(drained, state=RUNNING, deleted=True))
    assert cluster.told[-1] == ("RUNNING", "", 1)
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, KILLED)
    assert cluster.told[-1] == ("FAILED", "NodeLost", 1)


async def test_a_node_without_room_for_the_pod_says_of_what(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(phase="Failed", reason="OutOfnvidia.com/gpu"))
    assert cluster.told[-1] == ("FAILED", "NodeLost", 1)
    assert "nvidia.com/gpu" in cluster.runs.status("train-abc").message


async def test_a_job_that_kueue_has_done_with_does_not_wait_for_ever(cluster, monkeypatch):
    finished = condition("Finished", reason="FailedToStart", message="the flavor's labels clash with its own")
    cluster.hand_over()
    cluster.show("workload", "w", workload(ADMITTED, finished))
    assert cluster.told[-1][0] == "QUEUED"
    monkeypatch.setattr("qwex_kueue.judging._SETTLE", 0.0)
    cluster.runs.look(cluster.runs.get("train-abc"))
    assert cluster.told[-1] == ("FAILED", "Refused", 1)
    assert "labels clash" in cluster.runs.status("train-abc").message


async def test_a_pod_that_its_jobs_own_deadline_ends_ran_out_of_time(cluster):
    """A site's policy may set one."""
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show_job(condition("FailureTarget", reason="DeadlineExceeded"))
    cluster.show("pod", "p", pod(state=terminated(143, message=json.dumps(KILLED)), deleted=True))
    assert cluster.told[-1] == ("FAILED", "TimedOut", 1)


async def test_a_pod_on_a_node_that_is_drained_is_lost_with_its_node(cluster, monkeypatch):
    monkeypatch.setattr("qwex_kueue.judging._SETTLE", 0.0)
    drained = condition("DisruptionTarget", reason="EvictionByEvictionAPI")
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("pod", "p", pod(drained, state=terminated(143, message=json.dumps(KILLED)), deleted=True))
    assert cluster.told[-1] == ("FAILED", "NodeLost", 1)


async def test_a_pod_that_nobody_asked_for_is_no_attempt(cluster):
    """An ended Job that was evicted makes another pod before it is deleted; the retry is a Job of its own."""
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=terminated(3)))
    assert cluster.told[-1] == ("FAILED", "ExitCode", 1)
    cluster.hand_over(attempt=2)
    cluster.show("pod", "stray", pod(uid="stray", state=RUNNING))
    assert cluster.told[-1] == ("QUEUED", "", 2)
    cluster.show("pod", "p2", pod(uid="pod-2", job_uid="job-train-abc-2", state=RUNNING))
    assert cluster.told[-1] == ("RUNNING", "", 2)
    assert cluster.runs.get("train-abc").pod(2).uid == "pod-2"


async def test_pods_are_numbered_once_their_jobs_are_known(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=terminated(3)))
    cluster.hand_over(attempt=2)
    cluster.begin(complete=False)
    cluster.show("pod", "stray", pod(uid="stray", state=RUNNING))
    cluster.show("pod", "p2", pod(uid="pod-2", job_uid="job-train-abc-2", state=RUNNING))
    cluster.show_job(attempt=1)
    cluster.show_job(attempt=2)
    cluster.runs.complete()
    assert cluster.runs.get("train-abc").numbers == {"pod-1": 1, "stray": 0, "pod-2": 2}


async def test_a_pod_that_goes_before_all_jobs_are_known_keeps_no_other_from_being_seen(cluster):
    cluster.hand_over()
    cluster.begin(complete=False)
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("pod", "p", None)
    cluster.show("pod", "p2", pod(uid="pod-2", state=RUNNING))
    cluster.show_job()
    cluster.runs.complete()
    assert cluster.told[-1] == ("RUNNING", "", 1)


async def test_a_job_that_the_cluster_has_nothing_more_of_is_remembered_as_it_ended(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=terminated(3)))
    told = cluster.runs.status("train-abc")
    cluster.show("pod", "p", None)
    cluster.show("job", "job-1", None)
    assert cluster.runs.get("train-abc") is None
    cluster.begin()
    assert cluster.runs.status("train-abc") == told


async def test_patience_counts_from_when_the_pod_fails_to_start(cluster, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr("qwex_kueue.judging.time.monotonic", lambda: now)
    cluster.hand_over()
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.show("pod", "p", pod(agent={"waiting": {"reason": "PodInitializing"}}))
    now += 600
    stuck = pod(agent={"waiting": {"reason": "ErrImagePull", "message": "no route"}})
    cluster.show("pod", "p", stuck)
    assert cluster.told[-1] == ("ADMITTED", "ErrImagePull", 1)
    now += 121
    cluster.runs.look(cluster.runs.get("train-abc"))
    assert cluster.told[-1] == ("FAILED", "StartFailed", 1)


async def test_a_pod_that_fails_by_itself_while_it_is_deleted_has_failed_by_itself(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING, deleted=True))
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, {"code": 3, "reason": "ExitCode", "message": ""})
    assert cluster.told[-1] == ("FAILED", "ExitCode", 1)


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("cascade", ["foreground", "background"])
@pytest.mark.parametrize("end", ENDS_WHEN_TOLD, ids=lambda end: str(end["code"]))
async def test_a_job_deleted_while_it_runs_has_failed_once_its_pod_has_ended(cluster, cascade, restarts, end):
    """With its agent waiting for a reader the pod may be there for minutes."""
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    if restarts:
        cluster.begin(complete=False)
    if cascade == "foreground":
        cluster.show("job", "job-1", job(deleted=True))
    elif not restarts:
        cluster.show("job", "job-1", None)
    cluster.show("pod", "p", pod(state=RUNNING, deleted=True))
    cluster.runs.complete()
    assert cluster.runs.status("train-abc").state is JobState.RUNNING
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, end)
    assert cluster.told[-1] == ("FAILED", "Deleted", 1)


async def test_the_end_of_a_job_deleted_while_it_starts_is_waited_for(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod())
    cluster.show("job", "job-1", None)
    cluster.show("pod", "p", pod(deleted=True))
    assert cluster.told[-1][0] == "ADMITTED"
    cluster.show("pod", "p", pod(state=RUNNING, deleted=True))
    assert cluster.told[-1][0] == "RUNNING"
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, KILLED)
    assert cluster.told[-1] == ("FAILED", "Deleted", 1)


async def test_a_job_that_ends_well_though_its_job_was_deleted_has_succeeded(cluster):
    """Its pods may be left to themselves: ``kubectl delete job --cascade=orphan``."""
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.show("job", "job-1", None)
    assert cluster.told[-1][0] == "RUNNING"
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, DONE)
    assert cluster.told[-1] == ("SUCCEEDED", "", 1)


async def test_a_job_deleted_by_someone_else_has_failed_and_is_not_started_again(cluster):
    cluster.hand_over()
    cluster.show("job", "job-1", job(deleted=True))
    cluster.show("job", "job-1", None)
    assert cluster.told[-1][:2] == ("FAILED", "Deleted")
    cluster.begin()
    assert cluster.runs.status("train-abc").reason == "Deleted"


async def test_a_cancelled_job_is_cancelled_whatever_its_pod_said(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    run = cluster.runs.get("train-abc")
    cluster.runs.stops(run, "CancelledByUser", "cancelled by its user")
    cluster.show("job", "job-1", job(deleted=True))
    assert cluster.told[-1][0] == "RUNNING"
    cluster.show("pod", "p", pod(state=terminated(143), deleted=True))
    assert cluster.told[-1] == ("CANCELLED", "CancelledByUser", 1)


async def test_a_job_that_had_ended_when_it_was_cancelled_has_its_own_end(cluster):
    """Nobody could know: its pod could not be asked."""
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.runs.stops(cluster.runs.get("train-abc"), "CancelledByUser", "cancelled by its user")
    cluster.runs.ended(cluster.runs.get("train-abc"), 1, DONE)
    assert cluster.told[-1] == ("SUCCEEDED", "", 1)


async def test_a_job_that_is_cancelled_in_its_first_moment_was_running(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod())
    cluster.runs.stops(cluster.runs.get("train-abc"), "CancelledByUser", "cancelled by its user")
    cluster.show("pod", "p", pod(state=RUNNING, deleted=True))
    cluster.show("pod", "p", pod(state=terminated(143), deleted=True))
    assert [state for state, _, _ in cluster.told] == ["QUEUED", "ADMITTED", "RUNNING", "CANCELLED"]


async def test_a_job_that_waits_is_cancelled_once_no_pod_of_it_can_come(cluster):
    """Its Job may be there for long: the delete was not heard."""
    cluster.hand_over()
    cluster.runs.stops(cluster.runs.get("train-abc"), "CancelledByUser", "cancelled by its user")
    cluster.show("workload", "w", workload(ADMITTED))
    assert cluster.told[-1][0] == "QUEUED"
    cluster.show("job", "job-1", job(deleted=True))
    assert cluster.told[-1][:2] == ("CANCELLED", "CancelledByUser")


async def test_a_job_that_is_complete_has_succeeded_though_its_pod_is_gone(cluster, monkeypatch):
    """A node that was taken away afterwards takes the pod with it."""
    monkeypatch.setattr("qwex_kueue.judging._SETTLE", 0.0)
    cluster.hand_over()
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.begin(complete=False)
    cluster.show("job", "job-1", job(condition("Complete")))
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.runs.complete()
    assert cluster.told[-1] == ("SUCCEEDED", "", 1)


async def test_each_attempt_has_its_time_to_be_explained(cluster):
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    run = cluster.runs.get("train-abc")
    cluster.runs.ended(run, 1, LOST)
    assert run.vanished
    cluster.journal.begins("train-abc", 2)
    cluster.hand_over(attempt=2)
    assert (run.attempt, run.vanished) == (2, 0.0)


async def test_the_sooner_look_counts(cluster):
    cluster.hand_over()
    run = cluster.runs.get("train-abc")
    run.timer.cancel()
    cluster.runs._look_later(run, 120)
    late = run.timer.when()
    cluster.runs._look_later(run, 3)
    assert run.timer.when() < late
    soon = run.timer.when()
    cluster.runs._look_later(run, 120)
    assert run.timer.when() == soon


async def test_a_job_that_was_told_to_end_is_not_handed_over_again(cluster):
    """A controller that comes back while its pod still ends finds it as it stands, and makes no other."""
    cluster.hand_over()
    cluster.show("pod", "p", pod(state=RUNNING))
    cluster.runs.stops(cluster.runs.get("train-abc"), "CancelledByUser", "cancelled by its user")
    cluster.begin(complete=False)
    cluster.show("job", "job-1", job(deleted=True))
    cluster.show("pod", "p", pod(state=RUNNING, deleted=True))
    cluster.runs.complete()
    assert cluster.runs.status("train-abc").state is JobState.RUNNING
    assert cluster.runs.told_to_end("train-abc").state is JobState.RUNNING
    cluster.show("pod", "p", None)
    cluster.show("job", "job-1", None)
    assert cluster.runs.told_to_end("train-abc").state is JobState.CANCELLED


async def test_a_job_that_is_cancelled_before_its_create_arrived_is_cancelled(cluster):
    cluster.journal.creates("train-abc", 1)
    assert cluster.runs.told_to_end("train-abc") is None
    cluster.journal.stops("train-abc", "CancelledByUser", "cancelled by its user")
    assert cluster.runs.told_to_end("train-abc").state is JobState.CANCELLED


async def test_a_cancelled_job_that_is_gone_when_the_controller_comes_back(cluster):
    cluster.hand_over()
    cluster.runs.stops(cluster.runs.get("train-abc"), "CancelledByUser", "cancelled by its user")
    cluster.begin()
    assert cluster.runs.status("train-abc").state is JobState.CANCELLED


async def test_a_job_that_was_never_created_is_unknown_and_one_that_was_is_not_submitted_again(cluster):
    cluster.journal.creates("train-abc", 1)
    assert cluster.runs.status("train-abc") is None
    cluster.journal.created("train-abc")
    assert cluster.runs.status("train-abc").state is JobState.FAILED


async def test_a_job_that_kueue_does_not_see_is_asked_about_and_fails_closed(cluster):
    asked = asyncio.Event()
    cluster.runs.puzzles = lambda run, puzzle: asked.set()
    cluster.hand_over()
    for _ in range(2):  # Kueue may be away for long
        await asyncio.wait_for(asked.wait(), 10)
        asked.clear()
    assert cluster.told[-1][0] == "QUEUED"
    cluster.runs.refuses(cluster.runs.get("train-abc"), "it is nobody's")
    assert cluster.told[-1][:2] == ("FAILED", "Refused")
    assert cluster.given_up == {"train-abc"}


async def test_kueue_has_its_time_for_the_job_of_each_attempt(cluster):
    asked = []
    cluster.begin(patience=30)
    cluster.runs.puzzles = lambda run, puzzle: asked.append(run.attempt)
    cluster.hand_over()
    cluster.show("workload", "w", workload(ADMITTED))
    cluster.show("pod", "p", pod(state=terminated(3)))
    cluster.runs.get("train-abc").since -= 60
    cluster.hand_over(attempt=2)
    assert (cluster.told[-1], asked) == (("QUEUED", "", 2), [])


async def test_the_answer_to_a_create_does_not_undo_what_a_watch_has_shown_since(cluster):
    cluster.journal.creates("train-abc", 1)
    cluster.show_job(deleted=True)
    cluster.runs.created(job())
    assert cluster.runs.get("train-abc").job.deleted


async def test_jobs_of_other_controllers_are_theirs(cluster):
    cluster.show("job", "theirs", job(run_id="other-abc", controller="them"))
    assert cluster.runs.get("other-abc") is None
    assert cluster.told == []


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("left", [{"attempt": 1, **DONE}, None])
async def test_of_a_job_that_was_cleared_away_unseen_it_is_asked_what_it_left(cluster, restarts, left):
    """By a controller that slept, or was not there; until that is known nothing is said of its end."""
    cluster.begin(leaves=True)
    cluster.journal.creates("train-abc", 1)
    cluster.journal.created("train-abc")
    cluster.show("job", "job-1", job())
    cluster.show("pod", "p", pod(state=RUNNING))
    if restarts:
        cluster.begin(leaves=True)
        assert cluster.runs.status("train-abc").state is JobState.RUNNING
    else:
        cluster.show("pod", "p", None)
        cluster.show("job", "job-1", None)
    (run,) = cluster.vanished
    assert cluster.runs.status("train-abc").state is JobState.RUNNING
    run.unasked = False
    if left:
        cluster.runs.ended(run, 1, left)
        assert cluster.runs.status("train-abc").state is JobState.SUCCEEDED
    else:
        cluster.runs.look(run)
        assert cluster.runs.status("train-abc").reason == "Deleted"
