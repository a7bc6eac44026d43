"""A cluster's GPUs: free and in use, on which nodes, what asks for them, and what a user may not see."""

from __future__ import annotations

import pytest
from qwex_kueue import manifests, settings
from qwex_kueue.clusterqueues import ClusterQueue
from qwex_kueue.gpus import Demand, Flavor, Known, Node, report
from qwex_kueue.objects import LocalQueue

from qwex.backend import Plan
from qwex.gpus import GpuNode, GpuQuota
from qwex.quantities import parse_gpu
from qwex.spec import JobSpec, Source

GPU, MIG = "nvidia.com/gpu", "nvidia.com/mig-1g.10gb"
PRODUCT = "nvidia.com/gpu.product"
H100 = {PRODUCT: "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
T4 = {
    PRODUCT: "Tesla-T4-SHARED", "nvidia.com/gpu.replicas": "4", "nvidia.com/gpu.sharing-strategy": "time-slicing",
    "nvidia.com/gpu.memory": "15360",
}  # fmt: skip
SETTINGS = settings.read({"gpu_labels": {"H100": {PRODUCT: "NVIDIA-H100-80GB-HBM3"}}})


def node(name, labels, *, resource=GPU, count=8, healthy=None, ready="True", cordoned=False):
    return Node.of(
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **labels}},
            "spec": {"unschedulable": True} if cordoned else {},
            "status": {
                "capacity": {"cpu": "64", "hugepages-2Mi": "0", resource: str(count)},
                "allocatable": {"cpu": "63", resource: str(count if healthy is None else healthy)},
                "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-11-26T00:00:00Z"}],
            },
        }
    )


def demand(on, *asked, first=(), aside=()):
    """A pod that asks for so many GPUs in its containers, in those before them and in its sidecars."""
    containers = [{"resources": {"requests": {GPU: str(number), "cpu": "1"}}} for number in asked]
    before = [{"resources": {"requests": {GPU: str(number)}}} for number in first]
    sidecars = [{"restartPolicy": "Always", "resources": {"requests": {GPU: str(number)}}} for number in aside]
    return Demand.of({"spec": {"nodeName": on, "containers": containers, "initContainers": [*before, *sidecars]}})


def cluster_queue(*flavors, cohort="all", borrowing="4", used=(), name="research"):
    def resource(quota):
        limit = {} if borrowing is None else {"borrowingLimit": borrowing}
        return {"name": GPU, "nominalQuota": quota, **limit}

    groups = [{"flavors": [{"name": flavor, "resources": [resource(quota)]} for flavor, quota in flavors]}]
    held = [{"name": f, "resources": [{"name": GPU, "total": t, "borrowed": b}]} for f, t, b in used]
    spec = {"resourceGroups": groups, **({"cohortName": cohort} if cohort else {})}
    return ClusterQueue.of({"metadata": {"name": name}, "spec": spec, "status": {"flavorsReservation": held}})


def local_queue(*reserved, name="default"):
    held = [{"name": flavor, "resources": [{"name": GPU, "total": total}]} for flavor, total in reserved]
    spec = {"clusterQueue": "research"}
    return LocalQueue.of({"metadata": {"name": name}, "spec": spec, "status": {"flavorsReservation": held}})


FLAVORS = [Flavor.of({"metadata": {"name": "h100"}, "spec": {"nodeLabels": {PRODUCT: "NVIDIA-H100-80GB-HBM3"}}})]
EVERYTHING = Known(
    {"default": local_queue()},
    {"default": cluster_queue(("h100", "16"), ("rest", "4"), used=[("h100", "18", "2")])},
    [node("a", H100), node("b", H100, cordoned=True), node("c", T4)],
    [demand("a", 2, 3), demand("b", 1), demand("c", 3)],
    [*FLAVORS, Flavor("rest", {})],
)


def kinds(known, given=SETTINGS):
    return {(kind.type, kind.model): kind for kind in report(known, given, "kueue").kinds}


def test_free_is_what_the_pods_on_nodes_that_take_jobs_have_not_asked_for():
    found = kinds(EVERYTHING)
    h100, t4 = found["H100", "NVIDIA-H100-80GB-HBM3"], found["1", "Tesla-T4"]
    assert (h100.total, h100.free, h100.memory) == (16, 3, 81559 << 20)
    cordoned = GpuNode("b", 8, 7, "is cordoned: it takes no new jobs", usable=False)
    assert h100.nodes == (GpuNode("a", 8, 3), cordoned)
    assert (t4.total, t4.free, t4.sharing, t4.behind) == (8, 5, "time-slicing", 2)


@pytest.mark.parametrize(
    ("pod", "held"),
    [
        (demand("a", 1, 2), 3),
        (demand("a", 1, first=(4, 2)), 4),
        (demand("a", 2, first=(1,)), 2),
        (demand("a", 1, aside=(2,)), 3),
        (demand("elsewhere", 4), 0),
    ],
)
def test_what_a_pod_holds(pod, held):
    (kind,) = kinds(EVERYTHING._replace(nodes=[node("a", H100)], demands=[pod])).values()
    assert kind.free == 8 - held


@pytest.mark.parametrize(
    ("given", "problem", "free", "total"),
    [
        ({"ready": "Unknown"}, "is not ready: it takes no new jobs", 0, 8),
        ({"healthy": 7}, "has 1 of 8 unhealthy", 7, 7),
        ({"healthy": 0}, "has 8 of 8 unhealthy", 0, 0),
    ],
)
def test_a_node_that_is_not_as_it_should_be_says_so(given, problem, free, total):
    (kind,) = kinds(EVERYTHING._replace(nodes=[node("a", H100, **given)], demands=[])).values()
    assert (kind.nodes[0].problem, kind.free, kind.total) == (problem, free, total)


def test_quotas_are_told_by_flavor_with_what_may_be_borrowed_still():
    h100, rest = report(EVERYTHING, SETTINGS, "kueue").quotas
    assert h100 == GpuQuota("kueue", "default", "H100", 18, 16, 0, 2, "h100", GPU)
    # A flavor without labels is about every node.
    assert rest == GpuQuota("kueue", "default", "H100, 1", 0, 4, 4, 4, "rest", GPU)


@pytest.mark.parametrize(
    ("cohort", "borrowing", "more"), [("all", None, None), ("all", "4", 4), (None, None, 0), (None, "4", 0)]
)
def test_without_a_cohort_nothing_is_borrowed(cohort, borrowing, more):
    queue = cluster_queue(("h100", "8"), cohort=cohort, borrowing=borrowing)
    (quota,) = report(EVERYTHING._replace(clusters={"default": queue}), SETTINGS, "kueue").quotas
    assert quota.borrowable == more


def test_without_the_right_to_list_nodes_totals_are_those_of_the_quotas_and_that_is_said():
    known = EVERYTHING._replace(nodes=None, demands=None, refused={"nodes", "pods"})
    found = report(known, SETTINGS, "kueue")
    assert [(kind.type, kind.model, kind.total, kind.free) for kind in found.kinds] == [
        ("H100", "NVIDIA-H100-80GB-HBM3", 16, None),
        ("1", "flavor rest", 4, None),
    ]
    assert "nodes cannot be listed with your rights: totals are those of the queues' quotas" in found.notes
    assert any("deploy/kueue/gpu-readers" in note for note in found.notes)


def test_a_cluster_queue_behind_two_queues_counts_once():
    queues = {"default": local_queue(), "other": local_queue(name="other")}
    clusters = dict.fromkeys(queues, cluster_queue(("h100", "16")))
    known = EVERYTHING._replace(queues=queues, clusters=clusters, nodes=None)
    (kind,) = kinds(known).values()
    assert kind.total == 16


def test_without_any_right_nothing_is_guessed():
    queues = {"default": local_queue(("h100", "3"))}
    refused = {"nodes", "pods", "resourceflavors", "clusterqueues"}
    found = report(Known(queues, {}, refused=refused), SETTINGS, "kueue")
    (kind,), (quota,) = found.kinds, found.quotas
    assert (kind.type, kind.model, kind.total, kind.free) == ("1", "flavor h100", None, None)
    assert quota == GpuQuota("kueue", "default", "", 3, flavor="h100", resource=GPU)
    assert "nodes cannot be listed with your rights: how many there are is not known" in found.notes
    assert "quotas cannot be read with your rights: what is left of them is not known" in found.notes
    assert "by the configuration these can be asked for by name: H100" in found.notes


def test_without_the_right_to_list_all_pods_totals_are_known_and_what_is_free_is_not():
    found = report(EVERYTHING._replace(demands=None, refused={"pods"}), SETTINGS, "kueue")
    assert {(kind.total, kind.free) for kind in found.kinds} == {(16, None), (8, None)}
    assert any("how many are free is not known" in note for note in found.notes)


def test_an_answer_that_did_not_come_is_not_taken_for_a_missing_right():
    notes = report(EVERYTHING._replace(nodes=None), SETTINGS, "kueue").notes
    assert "nodes cannot be listed now: totals are those of the queues' quotas" in notes
    assert not any("rights" in note for note in notes)


def test_what_has_no_name_to_ask_for_it_by_says_what_gives_it_one():
    notes = report(EVERYTHING, SETTINGS, "kueue").notes
    shared = f'T4-shared = {{ "{PRODUCT}" = "Tesla-T4-SHARED" }}'
    assert f"--gpu T4-shared needs in [kueue.gpu_labels]: {shared}" in notes
    # A name that is taken is another's.
    nvl = {PRODUCT: "NVIDIA-H100-NVL", "nvidia.com/gpu.memory": "95830"}
    notes = report(EVERYTHING._replace(nodes=[node("a", nvl)]), SETTINGS, "kueue").notes
    assert f'--gpu H100-94GB needs in [kueue.gpu_labels]: H100-94GB = {{ "{PRODUCT}" = "NVIDIA-H100-NVL" }}' in notes


def test_a_slice_is_not_offered_as_the_whole_gpu():
    cut = {PRODUCT: "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "nvidia.com/gpu.memory": "4864"}
    found = report(EVERYTHING._replace(nodes=[node("a", cut, count=7)]), SETTINGS, "kueue")
    assert [(kind.model, kind.profile, kind.memory) for kind in found.kinds] == [
        ("NVIDIA-A100-SXM4-40GB", "1g.5gb", 4864 << 20)
    ]
    (note,) = [note for note in found.notes if "gpu_labels" in note]
    assert note.startswith("--gpu A100-1g.5gb needs in")
    assert parse_gpu("A100-1g.5gb").model == "A100-1g.5gb"


def test_what_jobs_cannot_ask_for_has_no_type():
    known = EVERYTHING._replace(nodes=[node("a", H100, resource=MIG, count=7)], demands=[])
    found = report(known, SETTINGS, "kueue")
    (kind,) = found.kinds
    assert (kind.type, kind.profile, kind.total) == ("", "1g.10gb", 7)
    said = "cannot be asked for here: --gpu asks for nvidia.com/gpu ([kueue] gpu_resource)"
    assert f"{MIG} {said}" in found.notes
    (kind,) = report(known, settings.read({"gpu_resource": MIG}), "kueue").kinds
    assert kind.type == "1"


def test_what_is_shown_can_be_asked_for():
    for kind in report(EVERYTHING, SETTINGS, "kueue").kinds:
        source = Source(kind="command")
        spec = JobSpec(source=source, args=("true",), runtime={"image": "i"}, resources={"gpu": kind.type})
        plan = Plan(run_id="true-7k3f9q", attempt=1, user="ada", spec=spec)
        pod = manifests.render(plan, SETTINGS, "default", "runner", "c0ffee").job["spec"]["template"]["spec"]
        assert pod["containers"][0]["resources"]["limits"][GPU] == "1"
        assert pod.get("nodeSelector", {}).get(PRODUCT, kind.model) == kind.model


def test_of_several_names_the_one_whose_labels_fit_best_is_shown():
    models = {"NVIDIA": {"vendor": "nvidia"}, "H100": {"vendor": "nvidia", PRODUCT: "NVIDIA-H100-80GB-HBM3"}}
    given = settings.read({"gpu_labels": models})
    known = EVERYTHING._replace(nodes=[node("a", {**H100, "vendor": "nvidia"}), node("c", {**T4, "vendor": "nvidia"})])
    assert {kind.type for kind in report(known, given, "kueue").kinds} == {"H100", "NVIDIA"}


def test_nodes_that_pods_of_the_site_do_not_go_to_are_left_out():
    given = settings.read({"node_selector": {"pool": "jobs"}})
    found = kinds(EVERYTHING._replace(nodes=[node("a", {**H100, "pool": "jobs"}), node("b", H100)]), given)
    assert [node.name for kind in found.values() for node in kind.nodes] == ["a"]


def test_where_no_node_has_any_that_is_said():
    notes = report(EVERYTHING._replace(nodes=[node("a", {}, resource="cpu")]), SETTINGS, "kueue").notes
    assert "no node has GPUs now; a device plugin makes them known, as nvidia.com/gpu" in notes
