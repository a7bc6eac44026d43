"""Places that are not as they should be: credentials, queues, namespaces, other controllers."""

from __future__ import annotations

import json
import os
import time

import pytest
import yaml
from harness import objects
from harness.waiting import wait_until
from jobs import SMALL, configure, printed, states, submit, write_config
from people import admit

import qwex
from qwex.errors import BackendUnavailable, InvalidSpec, NotAuthorized, QwexError

ENDLESS = "import time; print('begun', flush=True); time.sleep(300)"


@pytest.fixture
def client(user, namespace, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, user, namespace)
    return qwex.Client()


def changed(kubeconfig, tmp_path, change):
    """A copy of the kubeconfig with something changed in it."""
    config = yaml.safe_load(kubeconfig.read_text())
    change(config)
    path = tmp_path / "changed.kubeconfig"
    path.write_text(json.dumps(config))
    return path


def refusal(client):
    """What keeps a job from the cluster: said at once, or while the job waits for the cluster to answer."""
    try:
        return submit(client, "print(1)").status().message
    except QwexError as error:
        return str(error)


def no_context(config):
    config["current-context"] = "elsewhere"


def other_authority(config):
    config["clusters"][0]["cluster"].pop("certificate-authority", None)
    config["clusters"][0]["cluster"].pop("certificate-authority-data", None)


def wrong_token(config):
    config["users"][0]["user"] = {"token": "nobody"}


def wrong_port(config):
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (no_context, "elsewhere"),
        (other_authority, "certificate-authority"),
        (wrong_token, "credentials"),
        (wrong_port, "https://127.0.0.1:1"),
    ],
)
def test_a_kubeconfig_that_is_wrong_is_said_to_be_wrong_where_it_is(
    user, namespace, home, tmp_path, monkeypatch, change, said
):
    configure(monkeypatch, changed(user, tmp_path, change), namespace)
    assert said in refusal(qwex.Client())


@pytest.mark.parametrize(
    ("text", "said"), [("nonsense", "kubeconfig"), (": [", "kubeconfig"), (None, "there is no file")]
)
def test_a_file_that_is_no_kubeconfig(namespace, home, tmp_path, monkeypatch, text, said):
    path = tmp_path / "kubeconfig"
    if text:
        path.write_text(text)
    configure(monkeypatch, path, namespace)
    client = qwex.Client()
    with pytest.raises(BackendUnavailable, match=said):
        submit(client, "print(1)")
    assert client.list().records == []


def test_without_rights_the_missing_one_is_named(cluster, namespace, home, tmp_path, monkeypatch):
    configure(monkeypatch, cluster.kubeconfig_for("nobody"), namespace)
    with pytest.raises(NotAuthorized, match="cannot list resource"):
        submit(qwex.Client(), "print(1)")


def test_without_quota_rights_the_answer_is_full_less_what_may_not_be_seen(
    cluster, namespace, cluster_queue, home, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, admit(cluster, namespace, reads_quotas=False), namespace)
    client = qwex.Client()
    queue = cluster_queue({"cpu": "100m", "memory": "1Gi"})
    held = submit(client, ENDLESS, queue=queue)
    wait_until(lambda: held.status().state == "RUNNING", "the first job")
    waiting = submit(client, "print(1)", queue=queue)
    why = wait_until(lambda: (found := waiting.why()).reason == "WaitingForQuota" and found, "Kueue's word")
    assert (why.position, why.cluster_position, why.quota) == (1, 1, ())
    assert why.summary.startswith("waits for 0.1 cores")
    assert {each.name for each in client.queues()} == {"default", queue}
    for job in (held, waiting):
        job.cancel()
    assert all(job.wait(60) for job in (held, waiting))


def test_a_token_that_expires_is_read_again(cluster, user, namespace, home, tmp_path, monkeypatch):
    """As an exec plugin or a site's login writes it: a new one in the same file."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ada", "namespace": namespace}}
    rights = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "ada", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "qwex-user"},
        "subjects": [{"kind": "ServiceAccount", "name": "ada", "namespace": namespace}],
    }
    cluster.apply(account, rights)
    path = tmp_path / "changed.kubeconfig"

    def login(times):
        # A token lives no longer than what it is bound to.
        bound = f"login-{times}"
        cluster.kubectl("-n", namespace, "create", "secret", "generic", bound)
        words = ("create", "token", "ada", "--bound-object-kind", "Secret", "--bound-object-name", bound)
        token = cluster.kubectl("-n", namespace, *words).strip()
        changed(user, tmp_path, lambda config: config["users"][0].update(user={"token": token}))

    login(1)
    configure(monkeypatch, path, namespace)
    client = qwex.Client()
    assert printed(wait_for(submit(client, "print('first')"))) == "first\n"
    cluster.delete("-n", namespace, "secret", "login-1", wait=True)
    # The API server remembers a token that was good for some seconds.
    token = yaml.safe_load(path.read_text())["users"][0]["user"]["token"]
    words = ("-n", namespace, "--kubeconfig", str(path), "--token", token, "get", "jobs")
    wait_until(lambda: cluster.run_kubectl(*words).returncode != 0, "the token's end", 60)
    login(2)
    assert printed(wait_for(submit(client, "print('second')"))) == "second\n"


def wait_for(job):
    assert job.wait(60)
    return job


def test_a_queue_that_is_deleted_while_a_job_waits(client, cluster, namespace, cluster_queue):
    queue = cluster_queue({"cpu": "50m", "memory": "1Gi"}, cohort="any")
    cluster.kubectl(
        "patch", "clusterqueues.kueue.x-k8s.io", queue, "--type=merge", "-p", '{"spec":{"stopPolicy":"Hold"}}'
    )
    job = submit(client, "print(1)", queue=queue, resources={"cpu": "10m"})
    assert wait_until(lambda: job.why().reason == "QueueStopped", "the reason")
    cluster.delete("-n", namespace, "localqueues.kueue.x-k8s.io", queue)
    why = wait_until(lambda: (found := job.why()).reason == "QueueMissing" and found, "the new reason")
    assert "does not exist" in why.summary
    job.cancel()
    assert job.wait(60)


def test_who_waits_in_a_stopped_queue_and_who_still_runs_is_counted(client, cluster, namespace, cluster_queue):
    queue = cluster_queue({"cpu": "500m", "memory": "1Gi"})
    runs = submit(client, ENDLESS, queue=queue)
    wait_until(lambda: runs.status().state == "RUNNING", "the first job")
    patch = '{"spec":{"stopPolicy":"Hold"}}'
    cluster.kubectl("patch", "-n", namespace, "localqueues.kueue.x-k8s.io", queue, "--type=merge", "-p", patch)
    waits = submit(client, "print(1)", queue=queue)

    def counted():
        return next((each.waiting, each.running) for each in client.queues() if each.name == queue)

    wait_until(lambda: counted() == (1, 1), "both")
    waits.cancel()
    runs.cancel()
    assert all(job.wait(60) for job in (waits, runs))
    wait_until(lambda: counted() == (0, 0), "neither")


def test_a_namespace_without_a_queue(client, cluster, namespace):
    cluster.delete("-n", namespace, "localqueues.kueue.x-k8s.io", "default", wait=True)
    with pytest.raises(InvalidSpec, match=f"the namespace {namespace} has no queues, or does not exist"):
        submit(client, "print(1)")


@pytest.mark.parametrize(("name", "said"), [("kube-public", "has no queues at all"), ("nowhere", "does not exist;")])
def test_whoever_may_read_namespaces_is_told_whether_it_is_there(cluster, home, tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, cluster.kubeconfig, name)
    with pytest.raises(InvalidSpec, match=f"the namespace {name} {said}"):
        submit(qwex.Client(), "print(1)")


MISSING_SECRET = """
[[kueue.pod_template.spec.containers]]
name = "job"
volumeMounts = [{ name = "data", mountPath = "/data" }]

[[kueue.pod_template.spec.volumes]]
name = "data"
secret = { secretName = "nothing" }
"""


def test_a_pod_that_mounts_what_is_not_there_says_so_and_fails(user, namespace, home, tmp_path, monkeypatch):
    configure(monkeypatch, user, namespace, image_patience="20")
    write_config(MISSING_SECRET)
    job = submit(qwex.Client(), "print(1)")
    said = 'the volume data of its pod cannot be mounted: secret "nothing" not found'
    wait_until(lambda: job.why().summary == said, "what the pod's events say", 60)
    assert job.wait(90)
    status = job.status()
    assert (status.state.value, status.reason, status.message) == ("FAILED", "StartFailed", said)


def test_a_template_with_a_field_that_pods_do_not_have(client, cluster, namespace):
    """The server would drop it; with or without a look beforehand it is refused, and nothing is left."""
    write_config('[kueue.pod_template.spec]\nnodeSelectr = { pool = "jobs" }\n')
    field = r'unknown field "spec\.template\.spec\.nodeSelectr"'
    with pytest.raises(InvalidSpec, match=rf"{field}.* comes from \[kueue\] pod_template"):
        submit(client, "print(1)")
    with pytest.raises(InvalidSpec, match=field):
        submit(client, "print(1)", preflight=False)
    assert cluster.list("-n", namespace, "jobs,secrets") == []


def test_a_namespace_that_kueue_does_not_look_after(cluster, home, tmp_path, monkeypatch):
    """Where it has a queue even: nothing is created, and without preflight the job is taken back."""
    namespace = "kube-system"
    cluster.apply(objects.local_queue(namespace, "default", objects.GENEROUS))
    monkeypatch.chdir(tmp_path)
    configure(monkeypatch, cluster.kubeconfig, namespace, workload_patience="1")
    client = qwex.Client()
    with pytest.raises(InvalidSpec, match="does not look after the namespace kube-system"):
        submit(client, "print(1)")
    assert client.list().records == []
    job = submit(client, "print(1)", preflight=False)
    assert job.wait(60)
    assert states(job)[-1][:2] == ("FAILED", "Refused")
    assert "does not look after the namespace kube-system" in job.status().message
    wait_until(lambda: not cluster.list("-n", namespace, "jobs", "-l", "qwex.dev/run-id"), "nothing left")


def test_two_controllers_in_one_namespace_keep_to_their_own(client, home, monkeypatch, cluster, namespace):
    first = submit(client, ENDLESS)
    wait_until(lambda: first.status().state == "RUNNING", "the first job")
    monkeypatch.setenv("QWEX_HOME", str(home.parent / "other"))
    other = qwex.Client()
    second = submit(other, "print('the other')")
    assert second.wait(60)
    assert printed(second) == "the other\n"
    (seen,) = wait_until(lambda: [job for job in other.elsewhere() if job.state == "RUNNING"], "the first, from there")
    assert (seen.id, seen.name, seen.queue) == (first.id, "job.py", "default")
    assert [job.id for job in client.elsewhere()] == [second.id]
    assert other.elsewhere(name="nothing") == []
    assert first.status().state == "RUNNING"
    monkeypatch.setenv("QWEX_HOME", str(home))
    first.cancel()
    assert first.wait(60)
    assert {state for state, _, _ in states(first)} >= {"RUNNING", "CANCELLED"}


def test_an_agent_that_is_killed_is_started_again_and_nothing_is_lost(client, cluster, namespace):
    code = "import time\nfor n in range(80):\n    print(n, flush=True)\n    time.sleep(0.1)"
    job = submit(client, code)
    wait_until(lambda: "3" in printed(job), "the first lines")
    (pod,) = cluster.list("-n", namespace, "pods")
    for pid in agents(pod["metadata"]["uid"]):
        os.kill(pid, 9)
    assert "".join(job.logs(follow=True)).split() == [str(n) for n in range(80)]
    assert job.wait(60)
    assert job.status().state == "SUCCEEDED"


def agents(uid):
    """Processes of a pod's agent; they are seen from here where the node is on this machine."""
    found = []
    for entry in (name for name in os.listdir("/proc") if name.isdigit()):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as line, open(f"/proc/{entry}/cgroup") as group:
                if b"\0agent\0" in line.read() and uid.replace("-", "_") in group.read().replace("-", "_"):
                    found.append(int(entry))
        except OSError:
            continue
    if not found:
        pytest.skip("the node's processes are not to be seen from here")
    return found


def test_a_line_of_a_megabyte_and_bytes_that_are_no_text(client):
    code = "import sys\nprint('x' * 1_000_000)\nsys.stdout.flush()\nsys.stdout.buffer.write(b'\\xff\\xfe\\n')"
    job = submit(client, code)
    lines = "".join(job.logs(follow=True)).split("\n")
    assert [len(line) for line in lines] == [1_000_000, 2, 0]
    assert job.wait(60)


def test_exit_137_without_running_out_of_memory_is_a_signal(client):
    job = submit(client, "import os; os.kill(os.getpid(), 9)", resources={**SMALL, "memory": "64Mi"})
    assert job.wait(60)
    assert (job.status().reason, job.status().exit_code) == ("Signal", 137)


def test_two_hundred_megabytes_in_a_few_seconds(client):
    """More than the log takes: the story says so, and the job's end is told all the same."""
    job = submit(client, "line = 'x' * 999\nfor n in range(200_000): print(line)")
    begun = time.monotonic()
    assert sum(text.count("\n") for text in job.logs(follow=True)) >= 100_000
    assert job.wait(120)
    assert job.status().state == "SUCCEEDED"
    assert time.monotonic() - begun < 120


def test_gpus_are_counted_on_their_nodes_for_who_may_list_them(cluster, namespace, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "kueue")
    configure(monkeypatch, cluster.kubeconfig, namespace)
    found = qwex.Client().gpus()
    seen = {node.name: node for kind in found for node in kind.nodes}
    nodes = [each for each in cluster.list("nodes") if "nvidia.com/gpu" in each["status"]["allocatable"]]
    assert {each["metadata"]["name"] for each in nodes} == set(seen)
    assert all(node.usable and 0 <= (node.free or 0) <= node.total for node in seen.values())
    (quota,) = found.quotas
    assert (quota.queue, quota.type, quota.nominal, quota.borrowable) == ("default", "1", 64, 0)
