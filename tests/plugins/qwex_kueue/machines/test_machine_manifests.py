"""What a machine is in the cluster, object by object."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from qwex_kueue.machines.manifests import SHAPE, as_yaml, render
from qwex_kueue.settings import KueueSettings

from qwex.errors import InvalidSpec
from qwex.machine import MachinePlan
from qwex.machinespec import MachineSpec

DEPLOY = Path(__file__).parents[4] / "deploy" / "kueue"
GOLDEN = Path(__file__).parent / "golden"
SETTINGS = KueueSettings(
    machine_image="registry.example/machine:1",
    gpu_labels={"A100": {"nvidia.com/gpu.product": "NVIDIA-A100"}, "H100": {"nvidia.com/gpu.product": "NVIDIA-H100"}},
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB ada@laptop"


def rendered(settings=SETTINGS, **given):
    spec = MachineSpec(**{"name": "train", "keys": [KEY], **given})
    return render(MachinePlan("train-abcdef", spec, "ada", Path("key"), "ssh-ed25519 AAAA"), settings, "c0ffee")


CASES = {
    "plain": rendered(),
    "gpu": rendered(resources={"cpu": "8", "memory": "32Gi", "gpu": "H100,A100"}, queue="gpu-team", env={"A": "1"}),
}


@pytest.mark.parametrize("name", CASES)
def test_it_renders_as_before(name):
    path = GOLDEN / f"{name}.yaml"
    text = as_yaml(CASES[name])
    if not path.exists():
        path.write_text(text)
        pytest.fail(f"{path} was written; look at it")
    assert text == path.read_text()


def test_nothing_secret_is_shown_or_in_the_pod():
    shown = as_yaml(rendered())
    assert "AAAAC3Nza" not in shown
    assert "AAAAC3Nza" not in yaml.safe_dump(rendered().stateful_set)
    data = rendered().secret["data"]
    assert base64.b64decode(data["authorized_keys"]).decode() == f"{KEY}\n"
    assert "ssh_host_ed25519_key" not in data


def test_the_pod_keeps_to_the_restricted_standard():
    pod = rendered().stateful_set["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert pod["automountServiceAccountToken"] is False


def test_the_network_policy_is_about_machines():
    (policy,) = yaml.safe_load_all((DEPLOY / "machine-network" / "policy.yaml").read_text())
    (chosen,) = policy["spec"]["podSelector"]["matchExpressions"]
    assert chosen["key"] in rendered().stateful_set["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["ingress"] == []


def test_another_image_gets_the_ssh_server_brought_along():
    def steps(**given):
        pod = rendered(**given).stateful_set["spec"]["template"]["spec"]
        return [(each["name"], each["image"]) for each in pod["initContainers"]]

    assert steps() == [("user", "registry.example/machine:1")]
    assert steps(image="cuda:12") == [("bring", "registry.example/machine:1"), ("user", "cuda:12")]


def test_what_comes_first_asks_for_no_more_than_the_machine():
    pod = rendered(resources={"cpu": "8", "memory": "32Gi", "gpu": "H100"}).stateful_set["spec"]["template"]["spec"]
    (container,), (first,) = pod["containers"], pod["initContainers"]
    assert first["securityContext"] == container["securityContext"]
    assert first["resources"]["requests"] == {"cpu": "8000m", "memory": str(32 << 30)}


def test_of_a_password_its_hash_lies_in_the_secret_and_is_not_shown():
    hashed = "$2b$12$abcdefghijklmnopqrstuv"
    request = rendered(password=hashed, keys=[])
    assert base64.b64decode(request.secret["data"]["password"]).decode() == f"{hashed}\n"
    assert hashed not in as_yaml(request)
    with pytest.raises(ValidationError, match="crypt"):
        rendered(password="hunter2")


def test_the_queue_is_said_of_the_set_and_not_of_its_pod():
    found = rendered(queue="gpu-team").stateful_set
    assert found["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu-team"
    assert "kueue.x-k8s.io/queue-name" not in found["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize(
    "change", [{"resources": {"cpu": "2"}}, {"image": "other"}, {"queue": "other"}, {"env": {"A": "1"}}]
)
def test_what_cannot_be_changed_in_place_is_another_shape(change):
    assert rendered(**change).shape != rendered().shape


@pytest.mark.parametrize("change", [{"idle": "2h"}, {"keys": [KEY, f"{KEY}2"]}, {"home": "20Gi"}])
def test_what_can_be_changed_in_place_is_the_same_shape(change):
    assert rendered(**change).shape == rendered().shape
    assert rendered(**change).stateful_set["metadata"]["annotations"][SHAPE] == rendered().shape


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"keys": []}, "keys"),
        ({"resources": {"gpu": "L4"}}, "resources.gpu"),
        ({"resources": {"gpu": "A100:2,H100:1"}}, "resources.gpu"),
    ],
)
def test_what_no_pod_can_have_is_refused_by_field(given, field):
    with pytest.raises(InvalidSpec) as refused:
        rendered(**given)
    assert [name for name, _ in refused.value.problems] == [field]


def test_without_an_image_it_says_where_to_name_one():
    with pytest.raises(InvalidSpec, match="machine_image"):
        rendered(KueueSettings(machine_image=""))


@pytest.mark.parametrize(
    ("gpu", "settings", "told"),
    [
        (None, SETTINGS, None),
        ("H100:2,A100:2", SETTINGS, "2"),
        ("1", KueueSettings(machine_image="m", gpu_resource="nvidia.com/mig-1g.10gb"), "1"),
        ("1", KueueSettings(machine_image="m", gpu_resource="amd.com/gpu"), None),
    ],
)
def test_a_machine_is_told_how_many_gpus_of_nvidia_it_should_see(gpu, settings, told):
    (container,) = rendered(settings, resources={"gpu": gpu}).stateful_set["spec"]["template"]["spec"]["containers"]
    assert {each["name"]: each["value"] for each in container["env"]}.get("QWEX_GPUS") == told


def test_a_home_has_the_storage_class_of_its_machine_or_of_the_site():
    site = KueueSettings(machine_image="i", machine_storage_class="slow")
    classes = [
        rendered(settings, **given).home["spec"].get("storageClassName")
        for settings, given in ((SETTINGS, {}), (site, {}), (site, {"storage_class": "fast"}))
    ]
    assert classes == [None, "slow", "fast"]
