from __future__ import annotations

import json

import pytest
from objects_as_the_api_has_them import RUNNING, condition, job, pod, terminated, workload
from qwex_kueue import states
from qwex_kueue.states import standing

from qwex.state import JobState, Reason

ADMITTED = condition("Admitted", reason="Admitted")


def judged(job_=None, workload_=None, pod_=None, impatient=False):
    return standing(job_ or job(), workload_, pod_, 1, impatient=impatient)


def ended(pod_, exit=None):
    return states.ended(pod_, 1, exit or states.exit_of(pod_))


def test_a_job_that_kueue_has_not_admitted_is_queued():
    waiting = workload(condition("QuotaReserved", "False", "WaitingForQuota"))
    assert judged(workload_=waiting).status.state is JobState.QUEUED


def test_conditions_are_looked_up_by_type_whatever_their_order():
    conditions = [ADMITTED, condition("QuotaReserved"), condition("PodsReady", "False", "WaitForStart")]
    for turned in (conditions, conditions[::-1]):
        assert judged(workload_=workload(*turned)).status.state is JobState.ADMITTED


def test_the_four_waits_are_kept_apart():
    queued = judged(workload_=workload())
    admitted = judged(workload_=workload(ADMITTED))
    starting = judged(workload_=workload(ADMITTED), pod_=pod(state={"waiting": {"reason": "PodInitializing"}}))
    running = judged(workload_=workload(ADMITTED), pod_=pod(state=RUNNING, phase="Running"))
    states_ = [each.status.state for each in (queued, admitted, starting, running)]
    assert states_ == [JobState.QUEUED, JobState.ADMITTED, JobState.ADMITTED, JobState.RUNNING]


def test_the_runners_last_words_say_how_it_ended():
    said = json.dumps({"code": 143, "reason": "TimedOut", "message": "The job ran longer than 5s."})
    status = ended(pod(state=terminated(143, message=said)))
    assert (status.state, status.reason, status.exit_code) == (JobState.FAILED, "TimedOut", 143)


@pytest.mark.parametrize(
    ("code", "reason", "state", "expected"),
    [
        (0, "Completed", JobState.SUCCEEDED, ""),
        (3, "Error", JobState.FAILED, "ExitCode"),
        (137, "", JobState.FAILED, "Signal"),
        (128, "StartError", JobState.FAILED, "StartFailed"),
        (137, "ContainerStatusUnknown", JobState.FAILED, "NodeLost"),
    ],
)
def test_a_container_without_last_words_is_judged_by_its_end(code, reason, state, expected):
    status = ended(pod(state=terminated(code, reason)))
    assert (status.state, status.reason) == (state, expected)


def test_out_of_memory_says_the_limit_and_what_was_used():
    exit = {"code": 137, "reason": "OutOfMemory", "message": "killed", "peak_memory": 60_000_000}
    status = ended(pod(state=terminated(137, "OOMKilled"), memory="64Mi"), exit)
    assert status.reason == Reason.OUT_OF_MEMORY.value
    assert "67 MB" in status.message
    assert "60 MB" in status.message


def test_exit_137_alone_is_not_out_of_memory():
    exit = {"code": 137, "reason": "Signal", "message": "Ended by SIGKILL."}
    assert ended(pod(state=terminated(137, "Error")), exit).reason == "Signal"


def test_a_lost_node_is_the_places_fault():
    lost = pod(condition("DisruptionTarget", reason="DeletionByTaintManager"), state=RUNNING, deleted=True)
    verdict = judged(workload_=workload(ADMITTED), pod_=lost)
    assert verdict.status.reason == Reason.NODE_LOST.value
    assert verdict.hopeless


def test_an_image_that_cannot_be_pulled_is_waited_for_and_then_given_up():
    stuck = pod(agent={"waiting": {"reason": "ImagePullBackOff", "message": "not found"}})
    assert judged(pod_=stuck, impatient=False).status.state is JobState.ADMITTED
    verdict = judged(pod_=stuck, impatient=True)
    assert (verdict.status.state, verdict.status.reason) == (JobState.FAILED, "StartFailed")
    assert "not found" in verdict.status.message
    assert verdict.hopeless


def test_an_image_that_is_not_allowed_to_be_pulled_is_given_up_at_once():
    assert judged(pod_=pod(agent={"waiting": {"reason": "ErrImageNeverPull"}})).hopeless


def test_a_program_that_the_image_does_not_have_is_given_up_at_once():
    said = 'exec: "python4": executable file not found in $PATH'
    stuck = pod(
        agent={"waiting": {"reason": "RunContainerError", "message": f"failed to create task: {said}: unknown"}}
    )
    assert judged(pod_=stuck).status.reason == "StartFailed"


def test_no_node_takes_it():
    waiting = pod(condition("PodScheduled", "False", "Unschedulable", "0/1 nodes are available"), node="")
    status = judged(workload_=workload(ADMITTED), pod_=waiting).status
    assert status.state is JobState.ADMITTED
    assert "0/1 nodes" in status.message


def test_deactivated_workloads_have_ended():
    evicted = condition("Evicted", reason="DeactivatedDueToMaximumExecutionTimeExceeded", message="exceeded")
    verdict = judged(workload_=workload(evicted, active=False))
    assert verdict.status.reason == Reason.TIMED_OUT.value
    assert verdict.hopeless


def test_a_jobs_own_deadline():
    failed = job(condition("Failed", reason="DeadlineExceeded", message="too long"))
    assert judged(failed).status.reason == Reason.TIMED_OUT.value


@pytest.mark.parametrize("reason", states.EVICTIONS)
def test_every_eviction_has_a_word_and_a_sentence(reason):
    known = states.requeued(workload(condition("Evicted", reason=reason)), 2)
    assert known.reason != "Evicted" or reason == "EvictedOnManagerCluster"
    assert known.message.endswith("it waits again")
