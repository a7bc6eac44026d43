"""The cluster itself: what other tests here count on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
import uuid
from pathlib import Path

import pytest
from harness import images, kwok, node, objects, places
from harness.cluster import BuiltCluster
from harness.errors import ClusterError
from harness.waiting import wait_until

SLEEP = ["python3", "-c", "import time; time.sleep(600)"]


def phase(cluster, namespace, pod):
    return cluster.kubectl("get", "-n", namespace, "pod", pod, "-o", "jsonpath={.status.phase}")


def wait_for(cluster, namespace, thing, condition, seconds=60):
    cluster.kubectl("wait", "-n", namespace, thing, f"--for={condition}", f"--timeout={seconds}s")


def workload_of(cluster, namespace, job):
    """The Workload of a Job, once Kueue has made it."""

    def find():
        found = cluster.list("-n", namespace, "workloads.kueue.x-k8s.io")
        return next((each for each in found if each["metadata"]["ownerReferences"][0]["name"] == job), None)

    return wait_until(find, f"the Workload of {job}", 20)


def condition(thing, kind):
    return next((each for each in thing.get("status", {}).get("conditions", []) if each["type"] == kind), None)


@pytest.fixture
def node0(cluster):
    """The cluster, where it has a real node with this project's images."""
    if not cluster.has_images:
        pytest.skip("the images of these tests are not on this cluster's nodes")
    return cluster


@pytest.mark.parametrize("image", [image.name for image in images.planned() if image.name != images.PAUSE])
def test_a_pod_prints_a_line(node0, namespace, image):
    code = "import os, pathlib; pathlib.Path('/tmp/x').write_text('x'); print('hello from', os.getuid())"
    user = {"runAsUser": 1000, "runAsNonRoot": True}
    node0.apply(objects.pod("p", ["python3", "-c", code], image=image, securityContext=user), namespace=namespace)
    wait_for(node0, namespace, "pod/p", "jsonpath={.status.phase}=Succeeded")
    assert node0.kubectl("logs", "-n", namespace, "p") == "hello from 1000\n"


def test_the_image_of_these_tests_has_what_cells_need(node0, namespace):
    code = "import IPython, cloudpickle, matplotlib_inline, matplotlib.pyplot, numpy; print(numpy.arange(3).sum())"
    node0.apply(objects.job("j", ["python3", "-c", code], image=images.IPYTHON), namespace=namespace)
    wait_for(node0, namespace, "job/j", "condition=Complete")
    assert node0.kubectl("logs", "-n", namespace, "job/j") == "3\n"


def test_a_job_in_a_queue_is_admitted_and_completes(node0, namespace):
    node0.apply(objects.job("j", ["python3", "-c", "print(1)"]), namespace=namespace)
    wait_for(node0, namespace, "job/j", "condition=Complete")
    workload = workload_of(node0, namespace, "j")
    assert condition(workload, "Admitted")["status"] == "True"


def test_a_job_beyond_the_quota_waits_and_knows_why(cluster, namespace, cluster_queue):
    queue = cluster_queue({"cpu": "1", "memory": "1Gi"}, flavor="kwok")
    for name in ("first", "second"):
        cluster.apply(objects.job(name, SLEEP, queue=queue, requests={"cpu": "1"}), namespace=namespace)
        workload_of(cluster, namespace, name)

    def reason():
        found = condition(workload_of(cluster, namespace, "second"), "QuotaReserved")
        return found and (found["status"], found["reason"])

    wait_until(lambda: reason() == ("False", "WaitingForQuota"), "the reason WaitingForQuota", 20)


def test_positions_in_the_queue_are_visible(cluster, namespace, cluster_queue):
    queue = cluster_queue({"cpu": "1", "memory": "1Gi"}, flavor="kwok")
    for name in ("first", "second", "third"):
        cluster.apply(objects.job(name, SLEEP, queue=queue, requests={"cpu": "1"}), namespace=namespace)
        workload_of(cluster, namespace, name)
    path = f"/apis/visibility.kueue.x-k8s.io/v1beta2/namespaces/{namespace}/localqueues/{queue}/pendingworkloads"

    def positions():
        items = json.loads(cluster.kubectl("get", "--raw", path))["items"]
        # Jobs of the same second stand in any order.
        return sorted(each["positionInLocalQueue"] for each in items)

    wait_until(lambda: positions() == [0, 1], "two positions", 20)


def test_pods_of_the_fake_node_run_as_long_as_they_say(cluster, namespace, cluster_queue):
    queue = cluster_queue({"cpu": "10", "memory": "10Gi", "nvidia.com/gpu": "8"}, flavor="kwok")
    requests = {"cpu": "1", "nvidia.com/gpu": "8"}
    thing = objects.job("j", ["x"], queue=queue, requests=requests, limits=requests, annotations={kwok.DURATION: "1s"})
    cluster.apply(thing, namespace=namespace)
    wait_for(cluster, namespace, "job/j", "condition=Complete")


def test_port_forward_reaches_a_server_on_the_pods_loopback(node0, namespace):
    server = ["python3", "-u", "-m", "http.server", "8123", "--bind", "127.0.0.1", "--directory", "/etc"]
    node0.apply(objects.pod("server", server), namespace=namespace)
    # kubectl ends a port-forward at the first refused connection.
    wait_until(lambda: "Serving" in node0.kubectl("logs", "-n", namespace, "server", check=False), "the server", 30)
    command = [node0.kubectl_path(), "--kubeconfig", str(node0.kubeconfig), "port-forward", "-n", namespace]
    with subprocess.Popen([*command, "pod/server", ":8123"], stdout=subprocess.PIPE, text=True) as forward:
        try:
            port = forward.stdout.readline().split(":")[1].split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/passwd", timeout=20) as answer:
                assert b"root" in answer.read()

        finally:
            forward.kill()


def test_a_native_sidecar_starts_before_the_job_and_ends_after_it(node0, namespace):
    thing = objects.job("j", ["python3", "-c", "print(open('/shared/word').read())"])
    spec = thing["spec"]["template"]["spec"]
    mount = {"name": "shared", "mountPath": "/shared"}
    spec["volumes"] = [{"name": "shared", "emptyDir": {}}]
    spec["containers"][0]["volumeMounts"] = [mount]
    write = "import signal, sys\nopen('/shared/word', 'w').write('beside')\nsignal.sigwait({signal.SIGTERM})"
    spec["initContainers"] = [
        {
            "name": "agent",
            "image": images.PYTHON,
            "restartPolicy": "Always",
            "command": ["python3", "-c", f"import signal\nsignal.pthread_sigmask(0, {{15}})\n{write}"],
            "startupProbe": {"exec": {"command": ["cat", "/shared/word"]}, "periodSeconds": 1},
            "volumeMounts": [mount],
        }
    ]
    node0.apply(thing, namespace=namespace)
    wait_for(node0, namespace, "job/j", "condition=Complete")
    assert node0.kubectl("logs", "-n", namespace, "job/j", "-c", "main") == "beside\n"


def test_too_much_memory_is_called_so(node0, namespace):
    eat = ["python3", "-c", "x = [bytearray(1 << 20) for _ in range(500)]"]
    node0.apply(objects.pod("p", eat, limits={"memory": "64Mi"}), namespace=namespace)
    wait_for(node0, namespace, "pod/p", "jsonpath={.status.phase}=Failed")
    ended = node0.get("-n", namespace, "pod", "p")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)


def test_a_claimed_volume_keeps_its_files(node0, namespace):
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "home"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    node0.apply(claim, namespace=namespace)
    for name, code in (
        ("writer", "open('/home/me/f', 'w').write('kept')"),
        ("reader", "print(open('/home/me/f').read())"),
    ):
        volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "home"}}]
        thing = objects.pod(name, ["python3", "-c", code], volumes=volumes)
        thing["spec"]["containers"][0]["volumeMounts"] = [{"name": "home", "mountPath": "/home/me"}]
        node0.apply(thing, namespace=namespace)
        wait_for(node0, namespace, f"pod/{name}", "jsonpath={.status.phase}=Succeeded")
    assert node0.kubectl("logs", "-n", namespace, "reader") == "kept\n"


def test_a_user_without_rights_is_refused_and_one_with_some_is_not(cluster, namespace):
    config = str(cluster.kubeconfig_for("ada", ["scientists"]))
    rules = [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list"]}]
    refused = cluster.run_kubectl("--kubeconfig", config, "-n", namespace, "get", "jobs")
    assert 'User "ada" cannot list resource "jobs"' in refused.stderr
    cluster.apply(*objects.role(namespace, "ada", rules))
    wait_until(
        lambda: cluster.run_kubectl("--kubeconfig", config, "-n", namespace, "get", "jobs").returncode == 0,
        "the right to list jobs",
        20,
    )
    assert cluster.run_kubectl("--kubeconfig", config, "-n", namespace, "get", "pods").returncode != 0


def test_the_api_server_comes_back_with_everything(breakable, breakable_namespace):
    breakable.apply(objects.pod("p", SLEEP), namespace=breakable_namespace)
    wait_for(breakable, breakable_namespace, "pod/p", "condition=Ready")
    breakable.stop_apiserver()
    assert breakable.run_kubectl("get", "nodes").returncode != 0
    breakable.start_apiserver()
    assert phase(breakable, breakable_namespace, "p") == "Running"


def test_a_frozen_api_server_answers_late(breakable):
    if not isinstance(breakable, BuiltCluster):
        pytest.skip("only a cluster built here can be frozen")
    breakable.freeze_apiserver()
    assert breakable.run_kubectl("get", "nodes", "--request-timeout=1s").returncode != 0
    breakable.thaw_apiserver()
    assert breakable.run_kubectl("get", "nodes").returncode == 0


def test_without_kueue_no_job_is_made_and_with_it_they_are(breakable, breakable_namespace):
    breakable.stop_kueue()
    with pytest.raises(ClusterError, match="failed calling webhook"):
        breakable.apply(objects.job("j", ["python3", "-c", ""]), namespace=breakable_namespace)
    breakable.start_kueue()
    breakable.apply(objects.job("j", ["python3", "-c", ""]), namespace=breakable_namespace)
    wait_for(breakable, breakable_namespace, "job/j", "condition=Complete")


def test_kubelet_finds_its_pods_again_and_the_node_its_gpus(breakable, breakable_namespace):
    breakable.apply(objects.pod("p", SLEEP), namespace=breakable_namespace)
    wait_for(breakable, breakable_namespace, "pod/p", "condition=Ready")
    breakable.stop_kubelet()
    breakable.start_kubelet()
    (gpus,) = [each["status"]["allocatable"]["nvidia.com/gpu"] for each in breakable.list("nodes", "-l", "type!=kwok")]
    assert gpus == str(node.GPUS)
    assert phase(breakable, breakable_namespace, "p") == "Running"


@pytest.mark.slow
def test_two_clusters_at_once_do_not_meet(cluster):
    if not isinstance(cluster, BuiltCluster):
        pytest.skip("only a cluster built here can be had twice")
    other = BuiltCluster.start(f"other-{uuid.uuid4().hex[:8]}", node=False)
    try:
        other.apply(objects.namespace("elsewhere"))
        other.apply(objects.local_queue("elsewhere", "default", objects.GENEROUS))
        other.apply(objects.job("j", ["x"]), namespace="elsewhere")
        workload = workload_of(other, "elsewhere", "j")
        wait_until(lambda: condition(workload_of(other, "elsewhere", "j"), "Admitted"), "its admission", 20)
        assert workload["metadata"]["namespace"] == "elsewhere"
        assert cluster.get("namespace", "elsewhere") is None
    finally:
        other.close()
    wait_until(lambda: not left_of(other.layout), "its end", 20)


@pytest.mark.slow
def test_what_a_killed_cluster_leaves_goes_before_the_next_one_starts(cluster):
    if not isinstance(cluster, BuiltCluster):
        pytest.skip("only a cluster built here can be killed")
    name = f"killed-{uuid.uuid4().hex[:8]}"
    killed = BuiltCluster.start(name)
    os.kill(int((killed.folder / "supervisor.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: not processes_of(killed.layout), "the end of its processes", 10)
    again = BuiltCluster.start(name)
    try:
        again.apply(objects.pod("p", SLEEP))
        wait_for(again, "default", "pod/p", "condition=Ready")
        assert left_of(again.layout)
    finally:
        again.down()
    assert left_of(killed.layout) == []
    assert left_of(again.layout) == []
    assert not again.folder.exists()


def left_of(layout):
    """Processes, mounts, bridges and control groups of a cluster."""
    left = processes_of(layout)
    left += [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(layout.folder) in line]
    left += [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{layout.cgroup}")]
    if layout.subnet and Path("/sys/class/net", layout.subnet.bridge).exists():
        left.append(layout.subnet.bridge)
    return left


def processes_of(layout):
    """Those that name its folder, and its pods' by their control group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "cgroup").read_bytes()
        except OSError:
            continue
        if os.fsencode(f"{layout.folder}/") in text or os.fsencode(f"/{layout.cgroup}/") in text:
            found.append(f"{entry.name} {text[:200]!r}")
    return found


def test_a_name_that_is_no_name_is_refused():
    with pytest.raises(ClusterError, match="small letters"):
        places.folder_of("../etc")


def test_waiting_ends():
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="for nothing"):
        wait_until(lambda: None, "nothing", 0.1)
    assert time.monotonic() - began < 5
