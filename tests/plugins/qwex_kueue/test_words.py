"""The tables have every word that Kubernetes 1.36 and Kueue 0.19 say; the words are those of their sources.

The second is looked at where the sources are: building the test cluster fetches them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from qwex_kueue.podevents import TROUBLES
from qwex_kueue.states import DISRUPTIONS, EVICTIONS, JOB_FAILURES, PREEMPTIONS, TERMINATIONS, UNSTARTABLE
from qwex_kueue.why import REASONS

if TYPE_CHECKING:
    from collections.abc import Collection

API, KUBERNETES, CRI = "k8s.io/api@v0.36", "k8s.io/kubernetes@v1.36", "k8s.io/cri-api@v0.36"
KUEUE = "sigs.k8s.io/kueue@v0.19"
WORKLOAD = "apis/kueue/v1beta2/workload_types.go"
KUBELET = "pkg/kubelet"


class Words(NamedTuple):
    """Some of a table's words, and where they stand; ``others`` stand there too and mean something else."""

    table: Collection[str]
    words: str
    module: str
    file: str
    #: Its group is the word.
    pattern: str
    others: str = ""


WORDS = {
    "Job failed": Words(
        JOB_FAILURES,
        "PodFailurePolicy BackoffLimitExceeded DeadlineExceeded MaxFailedIndexesExceeded FailedIndexes",
        API,
        "batch/v1/types.go",
        r'JobReason\w+ string = "(\w+)"',
        "SuccessPolicy CompletionsReached",
    ),
    "pod disrupted": Words(
        DISRUPTIONS,
        "TerminationByKubelet PreemptionByScheduler",
        API,
        "core/v1/types.go",
        r'PodReason\w+ = "(\w+)"',
        "Unschedulable SchedulingGated SchedulerError Deferred Infeasible Error",
    ),
    "pod evicted": Words(
        DISRUPTIONS,
        "EvictionByEvictionAPI",
        KUBERNETES,
        "pkg/registry/core/pod/storage/eviction.go",
        r'Reason: +"(\w+)"',
    ),
    "pod collected": Words(
        DISRUPTIONS, "DeletionByPodGC", KUBERNETES, "pkg/controller/podgc/gc_controller.go", r'Reason: +"(\w+)"'
    ),
    "node tainted": Words(
        DISRUPTIONS,
        "DeletionByTaintManager",
        KUBERNETES,
        "pkg/controller/tainteviction/taint_eviction.go",
        r'Reason: +"(\w+)"',
    ),
    "image": Words(
        UNSTARTABLE,
        "ImagePullBackOff ImageInspectError ErrImagePull ErrImageNeverPull InvalidImageName",
        KUBERNETES,
        f"{KUBELET}/images/types.go",
        r'errors\.New\("(\w+)"\)',
    ),
    "registry": Words(
        UNSTARTABLE,
        "RegistryUnavailable SignatureValidationFailed",
        CRI,
        "pkg/errors/errors.go",
        r'errors\.New\("(\w+)"\)',
        "RROUnsupported ImageVolumeMountFailed",
    ),
    "container made": Words(
        UNSTARTABLE,
        "CreateContainerConfigError PreCreateHookError CreateContainerError PreStartHookError PostStartHookError",
        KUBERNETES,
        f"{KUBELET}/kuberuntime/kuberuntime_container.go",
        r'\tErr\w+ += errors\.New\("(\w+)"\)',
    ),
    "container started": Words(
        UNSTARTABLE,
        "CrashLoopBackOff RunContainerError",
        KUBERNETES,
        f"{KUBELET}/container/sync_result.go",
        r'errors\.New\("(\w+)"\)',
        # Of the pod, or of the end of a container.
        "KillContainerError CreatePodSandboxError ConfigPodSandboxError KillPodSandboxError ResizePodInPlaceError "
        "RemoveContainerError",
    ),
    "pod set up": Words(
        TROUBLES,
        "FailedMount FailedMapVolume FailedAttachVolume FailedCreatePodSandBox FailedPodSandBoxStatus "
        "FailedCreatePodContainer FailedPrepareDynamicResources FailedSync NetworkNotReady",
        KUBERNETES,
        f"{KUBELET}/events/event.go",
        r'= "(Failed\w+|NetworkNotReady)"',
        # Of a pod's end, of one that the node does not take at all, of its hooks, or of the node.
        "FailedKillPod FailedNodeDeclaredFeaturesCheck FailedPostStartHook FailedPreStopHook FailedValidation "
        "FailedMountOnFilesystemMismatch FailedNodeAllocatableEnforcement",
    ),
    "container lost": Words(
        TERMINATIONS,
        "ContainerStatusUnknown",
        KUBERNETES,
        f"{KUBELET}/container/runtime.go",
        r'ContainerReason\w+ string = "(\w+)"',
    ),
    "workload evicted": Words(
        EVICTIONS,
        "Preempted FlavorMigration PodsReadyTimeout AdmissionCheck ClusterQueueStopped LocalQueueStopped NodeFailures "
        "EvictedOnManagerCluster Deactivated",
        KUEUE,
        WORKLOAD,
        r'Workload(?:Evicted\w+|Deactivated)(?: string)? = "(\w+)"',
    ),
    "workload preempted": Words(
        PREEMPTIONS,
        "InClusterQueue InCohortReclamation InCohortFairSharing InCohortReclaimWhileBorrowing",
        KUEUE,
        WORKLOAD,
        r'In\w+Reason string = "(\w+)"',
    ),
    "quota not reserved": Words(
        REASONS,
        "NoMatchingFlavor WaitingForQuota ExceedsMaxQuota TopologyPlacementFailed WaitingForPreemptedWorkloads "
        "Misconfigured Suspended PendingEvaluation WaitingForPodsReady Inadmissible OnHold Pending Waiting "
        "AdmissionGated",
        KUEUE,
        WORKLOAD,
        r'Workload(?:QuotaReservedReason\w+|Inadmissible|OnHold|Pending|Waiting|AdmissionGated) = "(\w+)"',
    ),
}
#: Of https://github.com/containerd/containerd, internal/cri/server/helpers.go. Of Completed and Error, which are there
#: too, the code says enough.
CONTAINERD = "OOMKilled StartError Unknown"


@pytest.mark.parametrize("kind", WORDS)
def test_every_word_is_in_its_table(kind):
    assert set(WORDS[kind].words.split()) <= set(WORDS[kind].table)


def test_every_word_of_the_container_runtime_is_in_its_table():
    assert set(CONTAINERD.split()) <= set(TERMINATIONS)


@pytest.mark.parametrize("kind", WORDS)
def test_the_words_are_those_of_the_source(kind):
    _, words, module, file, pattern, others = WORDS[kind]
    modules = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod")
    sources = sorted(modules.glob(f"{module}.*/{file}"))
    if not sources:
        pytest.skip(f"needs the source of {module}: make cluster-build")
    assert set(re.findall(pattern, sources[-1].read_text())) == {*words.split(), *others.split()}
