from __future__ import annotations

import pytest
from objects_as_the_api_has_them import condition, pod, workload
from qwex_kueue.clusterqueues import ClusterQueue, Place
from qwex_kueue.objects import LocalQueue
from qwex_kueue.why import REASONS, Known, estimate, explain, shortages

from qwex.state import WaitReason

GPU = "nvidia.com/gpu"
UNUSED = f"couldn't assign flavors to pod set main: insufficient unused quota for {GPU} in flavor a100, 1 more needed"
MAXIMUM = (
    f"couldn't assign flavors to pod set main: insufficient quota for {GPU} in flavor a100, previously considered "
    "podsets requests (0) + current podset request (16) > maximum capacity (8)"
)


def cluster(used=8.0, nominal=8.0, borrowable=0.0, name="team", stopped="None"):
    return ClusterQueue(
        name, {GPU: nominal, "cpu": 8.0}, {GPU: used, "cpu": 1.0}, {GPU: borrowable, "cpu": 0.0}, stopped, ""
    )


def waiting(reason="WaitingForQuota", message=UNUSED, gpus="1"):
    return workload(condition("QuotaReserved", "False", reason, message), requests={"cpu": "1", GPU: gpus})


def test_waiting_for_quota_says_what_is_in_use():
    answer = explain(Known("default", waiting(), cluster=cluster(), place=Place(3, 11)))
    assert answer.summary == "waits for 1 GPU: 8 of 8 in use"
    assert answer.reason == WaitReason.WAITING_FOR_QUOTA.value
    assert (answer.position, answer.cluster_position, answer.position_in) == (3, 11, "default")
    assert answer.quota[0].resource in ("cpu", GPU)


def test_without_the_right_to_see_quotas_the_answer_is_full_less_the_numbers():
    answer = explain(Known("default", waiting(), place=Place(1, 1)))
    assert answer.summary == "waits for 1 GPU: 1 GPU more must become free"
    assert answer.quota == ()


def test_what_can_never_fit_says_the_most_there_is():
    answer = explain(Known("default", waiting("ExceedsMaxQuota", MAXIMUM, "16"), cluster=cluster()))
    assert answer.reason == WaitReason.EXCEEDS_MAX_QUOTA.value
    assert "16 GPUs of at most 8" in answer.summary
    assert answer.suggestions == ("at most 8 GPUs can be had in default",)


def test_the_old_coarse_reason_is_read_from_its_message():
    assert explain(Known("default", waiting("Pending", MAXIMUM, "16"))).reason == WaitReason.EXCEEDS_MAX_QUOTA.value
    assert explain(Known("default", waiting("Pending"))).reason == WaitReason.WAITING_FOR_QUOTA.value


def test_a_workload_without_conditions_is_held_by_those_before_it():
    answer = explain(Known("default", workload(), place=Place(2, 2)))
    assert answer.reason == WaitReason.HELD_BY_PRIORITY.value


def test_a_job_that_kueue_has_not_come_to_is_not_said_to_be_behind_others():
    answer = explain(Known("default", waiting("PendingEvaluation")))
    assert answer.reason == WaitReason.RECORDED.value
    assert "has not looked at it yet" in answer.summary


def test_a_pod_that_no_node_takes_comes_with_what_to_do():
    unplaced = pod(condition("PodScheduled", "False", "Unschedulable", "0/1 nodes are available"), node="")
    (suggestion,) = explain(Known("default", workload(condition("Admitted")), unplaced)).suggestions
    assert "ask for less" in suggestion


def test_a_place_that_is_not_known_is_not_said_to_be_behind_others():
    answer = explain(Known("default", workload()))
    assert (answer.reason, answer.position) == (WaitReason.RECORDED.value, None)


def test_the_first_of_its_queue_is_held_by_nobody():
    assert explain(Known("default", workload(), place=Place(1, 1))).reason == WaitReason.RECORDED.value


BYPASSED = "Bypassed scheduling evaluation because an equivalent workload recently failed"


def test_what_kueue_said_of_one_with_the_same_needs_holds_for_those_it_did_not_look_at():
    equal = waiting()
    answer = explain(Known("default", waiting(message=BYPASSED), equivalents=[equal]))
    assert answer.summary == "waits for 1 GPU: 1 GPU more must become free"


def test_a_job_that_was_not_looked_at_says_at_least_what_it_waits_for():
    answer = explain(Known("default", waiting(message=BYPASSED)))
    assert answer.summary == "waits for 1 core and 1 GPU, which default does not have free"
    assert answer.reason == WaitReason.WAITING_FOR_QUOTA.value


def test_a_queue_whose_numbers_are_behind_is_not_said_to_have_room():
    answer = explain(Known("default", waiting(), cluster=cluster(used=0.0)))
    assert answer.summary == "waits for 1 GPU: 1 GPU more must become free"


def test_a_stopped_queue_is_said_to_be_stopped():
    local = LocalQueue("default", "team", "Hold")
    assert explain(Known("default", waiting("Suspended", ""), local=local)).reason == WaitReason.QUEUE_STOPPED.value
    message = "LocalQueue default is inactive"
    assert explain(Known("default", waiting("Pending", message))).reason == WaitReason.QUEUE_STOPPED.value


def test_a_missing_queue():
    answer = explain(Known("default", waiting("Misconfigured", "ClusterQueue team doesn't exist")))
    assert (answer.reason, answer.summary) == (WaitReason.QUEUE_MISSING.value, "the ClusterQueue team does not exist")


def test_preemption_under_way():
    answer = explain(Known("default", waiting(message=f"{UNUSED}. Pending the preemption of 2 workload(s)")))
    assert answer.summary == "2 other jobs make room for it"


def test_suggestions_are_what_would_fit_now():
    known = Known("default", waiting(gpus="4"), cluster=cluster(used=7.0), others={"team-b": cluster(used=0.0)})
    answer = explain(known)
    assert "fits now with 1 GPU" in answer.suggestions
    assert "queue team-b has 7 cores and 8 GPUs free" in answer.suggestions


def test_starting_names_what_it_waits_for():
    backoff = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    assert explain(Known("default", workload(), pod(agent=backoff))).reason == WaitReason.IMAGE_PULL.value
    assert "node0" in explain(Known("default", workload(), pod())).summary
    assert explain(Known("default", workload(), pod(), trouble="a volume is away")).summary == "a volume is away"
    assert "image" in explain(Known("default", workload(), pod(agent=backoff), trouble="a volume is away")).summary


def test_an_estimate_needs_admissions_out_of_a_backlog():
    backlog = [(float(at), 100.0) for at in range(0, 100, 10)]
    assert estimate(3, backlog) == ((30.0, 30.0), "9 admissions")
    arrivals = [(float(at), 0.1) for at in range(0, 100, 10)]
    assert estimate(3, arrivals) == (None, "")
    assert estimate(1, backlog[:4]) == (None, "")


def test_messages_are_read_for_every_flavor():
    both = f"{UNUSED}, insufficient unused quota for cpu in flavor cpu-only, 500m more needed"
    assert [(each.resource, each.flavor, each.needed) for each in shortages(both)] == [
        (GPU, "a100", 1.0),
        ("cpu", "cpu-only", 0.5),
    ]
    assert shortages("resource foo.com/bar unavailable in ClusterQueue")[0].most == 0.0


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_kueue_has_a_sentence(reason):
    assert explain(Known("default", waiting(reason, ""))).summary
