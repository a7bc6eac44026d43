from __future__ import annotations

import pytest
from objects_as_the_api_has_them import condition, job, pod, workload
from qwex_kueue.scheduling import explained, unplaced
from qwex_kueue.states import standing
from qwex_kueue.why import Known, explain

# As a scheduler of Kubernetes 1.36 said it.
MEMORY = (
    "0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s). no new claims to deallocate, "
    "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
)


@pytest.mark.parametrize(
    ("message", "plain"),
    [
        (MEMORY, "of 2 nodes 1 had not enough memory free, 1 had a taint that it does not tolerate"),
        ("0/1 nodes are available: 1 Insufficient cpu.", "of 1 node 1 had not enough cores free"),
        (
            "0/9 nodes are available: 3 Insufficient nvidia.com/gpu, 4 Too many pods, 2 node(s) were unschedulable.",
            "of 9 nodes 3 had not enough GPUs free, 4 had as many pods as it takes, 2 took no new pods",
        ),
        (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are "
            "available: 1 Preemption is not helpful for scheduling.",
            "of 1 node 1 had not the labels that it asks for",
        ),
        # Of older schedulers.
        (
            "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }. preemption: …",
            "of 1 node 1 had the taint node.kubernetes.io/not-ready that it does not tolerate",
        ),
        (
            "0/1 nodes are available: 1 Insufficient example.com/fpga.",
            "of 1 node 1 had not enough example.com/fpga free",
        ),
        ("0/3 nodes are available: 3 node(s) exceed max volume count.", "of 3 nodes 3 exceed max volume count"),
    ],
)
def test_the_schedulers_message_in_plain_words(message, plain):
    assert explained(message) == plain


@pytest.mark.parametrize(
    "message",
    [
        "no nodes available to schedule pods",
        '0/2 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/2 nodes are available.',
    ],
)
def test_what_is_not_understood_is_shown_as_it_is(message):
    assert explained(message) == message


def test_why_and_status_say_the_same():
    waiting = pod(condition("PodScheduled", "False", "Unschedulable", MEMORY), node="")
    why = explain(Known("default", workload(condition("Admitted")), waiting))
    status = standing(job(), None, waiting, 1).status
    assert why.summary == status.message == unplaced(waiting)
    assert status.reason == "Unschedulable"
    assert unplaced(pod(condition("PodScheduled"))) == unplaced(pod()) == ""
    held = condition(
        "PodScheduled", "False", "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"
    )
    assert unplaced(pod(held)) == ""
