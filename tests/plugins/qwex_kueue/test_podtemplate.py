"""A site's pod template: what is qwex's own is refused as the configuration is read, all else is the site's."""

from __future__ import annotations

import datetime

import pytest
from qwex_kueue import settings

from qwex.errors import ConfigError


def read(**spec):
    return settings.read({"pod_template": {"spec": spec}, "gpu_resource": "example.com/gpu"})


def job(**fields):
    return {"containers": [{"name": "job", **fields}]}


def agent(**fields):
    return {"initContainers": [{"name": "qwex-agent", **fields}]}


def asks(**resources):
    return job(resources=resources)


def mounts(path):
    return job(volumeMounts=[{"name": "data", "mountPath": path}])


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (job(command=["sh"]), r"spec\.containers\[job\]\.command is qwex's own: for another interpreter set python"),
        (job(args=["-x"]), r"\[job\]\.args is qwex's own: for"),
        (job(command=None), r"\[job\]\.command is"),
        (job(image="mine"), r"\[job\]\.image is qwex's own: set image, or name one for a job with --image"),
        (job(workingDir="/"), r"\[job\]\.workingDir .* --cwd"),
        (job(terminationMessagePath="/x"), r"\[job\]\.terminationMessagePath is"),
        (job(lifecycle={"preStop": {}}), r"\[job\]\.lifecycle\.preStop .* postStart may be added"),
        (job(lifecycle=None), r"\[job\]\.lifecycle\.preStop is"),
        (asks(requests={"cpu": "1"}), r"\[job\]\.resources\.requests\.cpu is qwex's own: jobs ask for it with --cpu"),
        (asks(limits={"memory": "1Gi"}), r"\[job\]\.resources\.limits\.memory is"),
        (asks(requests={"example.com/gpu": "1"}), r"\[job\]\.resources\.requests\.example\.com/gpu is"),
        (agent(command=["sh"]), r"spec\.initContainers\[qwex-agent\]\.command is qwex's own"),
        (agent(restartPolicy="Never"), r"\[qwex-agent\]\.restartPolicy .* by its retries"),
        ({"containers": [{"name": "qwex-agent"}]}, r"spec\.containers\[qwex-agent\] is qwex's own, and stands else"),
        ({"containers": None}, r"spec\.containers is a list of tables, each with a name"),
        ({"initContainers": [{"image": "x"}]}, r"spec\.initContainers is a list of tables, each with a name"),
        ({"volumes": {"name": "x"}}, r"spec\.volumes is a list of tables"),
        ({"volumes": [{"name": "runner", "emptyDir": {}}]}, r"spec\.volumes\[runner\]\.emptyDir .* another name"),
        ({"volumes": [{"name": "work", "hostPath": {}}]}, r"spec\.volumes\[work\]\.hostPath is"),
        (mounts("/qwex/job/"), r"\[job\]\.volumeMounts /qwex/job is qwex's own: mount it elsewhere, or beneath /qw"),
        (mounts("/qwex/runner/lib"), "volumeMounts /qwex/runner/lib is"),
        (mounts("/qwex"), "volumeMounts /qwex is"),
        (mounts("//qwex/./job"), "volumeMounts /qwex/job is"),
        (asks(requests={"ephemeral-storage": "lots"}), r"requests\.ephemeral-storage is a quantity such as .* 'lots'"),
        ({"containers": [{"name": "x", "resources": {"limits": {"cpu": "b"}}}]}, r"\[x\]\.resources\.limits\.cpu is a"),
        (mounts("/qwex/work"), "volumeMounts /qwex/work is"),
        (job(volumeMounts=None), r"\[job\]\.volumeMounts is a list of tables, each with a mountPath"),
        ({"restartPolicy": "Always"}, r"spec\.restartPolicy is qwex's own: a job starts again by its retries"),
        ({"terminationGracePeriodSeconds": 1}, r"spec\.terminationGracePeriodSeconds .* the setting linger"),
        ({"activeDeadlineSeconds": 1}, r"spec\.activeDeadlineSeconds .* --time"),
    ],
)
def test_what_is_qwexs_own_is_refused_with_what_to_do_instead(spec, said):
    with pytest.raises(ConfigError, match=rf"\[kueue\] pod_template: .*{said}"):
        read(**spec)


@pytest.mark.parametrize(
    "spec",
    [
        job(env=[{"name": "HTTPS_PROXY", "value": "x"}], envFrom=[{"configMapRef": {"name": "x"}}]),
        job(securityContext={"readOnlyRootFilesystem": True}, lifecycle={"postStart": {}}, imagePullPolicy="Always"),
        asks(requests={"ephemeral-storage": "1Gi"}, limits={"cpu": "8", "example.com/rdma": "1"}),
        mounts("/datasets"),
        mounts("/qwex/work/cache"),
        mounts("/dev/shm"),
        mounts("/qwex-data"),
        agent(resources={"limits": {"memory": "512Mi"}}, env=[{"name": "A", "value": "1"}]),
        {
            "containers": [
                {"name": "proxy", "image": "proxy", "command": ["proxy"], "resources": {"requests": {"cpu": 1}}}
            ]
        },
        {"initContainers": [{"name": "fetch", "image": "fetch", "args": ["x"], "restartPolicy": "Always"}]},
        {
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {}},
                {"name": "work", "emptyDir": {"sizeLimit": "1Gi"}},
            ]
        },
        {"tolerations": [{"key": "jobs"}], "nodeSelector": {"pool": "jobs"}, "priorityClassName": "x", "affinity": {}},
    ],
)
def test_all_else_is_the_sites(spec):
    assert read(**spec).pod_template == {"spec": spec}


def test_labels_by_which_pods_are_found_are_qwexs_own():
    with pytest.raises(
        ConfigError, match=r"metadata\.labels\.qwex\.dev/run-id is qwex's own: use a prefix of your own"
    ):
        settings.read({"pod_template": {"metadata": {"labels": {"qwex.dev/run-id": "x", "team": "y"}}}})


@pytest.mark.parametrize("label", ["qwex.dev/user", "kueue.x-k8s.io/queue-name", "kueue.x-k8s.io/priority-class"])
def test_labels_that_jobs_are_queued_by_are_not_the_sites(label):
    with pytest.raises(ConfigError, match="use a prefix of your own"):
        settings.read({"labels": {label: "x"}})


def test_a_date_is_told_to_be_text():
    template = {"metadata": {"annotations": {"since": datetime.date(2026, 1, 1)}}}
    with pytest.raises(ConfigError, match="written as text"):
        settings.read({"pod_template": template})


def test_a_namespace_is_a_name():
    with pytest.raises(ConfigError, match="namespace"):
        settings.read({"namespace": "../x"})


def test_every_problem_is_said_at_once():
    spec = {"restartPolicy": "Never", **job(image="x", args=[])}
    with pytest.raises(ConfigError, match=r"not kind; .*restartPolicy is .*; .*image is .*; .*args is"):
        settings.read({"pod_template": {"kind": "Pod", "spec": spec}})
