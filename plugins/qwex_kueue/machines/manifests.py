"""A machine as Kubernetes objects: a StatefulSet of one pod or none, its home, and the Secret that opens it. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from qwex.door import SSH_PORT
from qwex.errors import InvalidSpec
from qwex.quantities import parse_cpu, parse_gpu, parse_memory
from qwex_kueue import manifests, names
from qwex_kueue.amounts import summed
from qwex_kueue.objects import requested

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.machine import MachinePlan
    from qwex.machinespec import MachineSpec
    from qwex_kueue.settings import KueueSettings

__all__ = [
    "ASKED",
    "CONTAINER",
    "CONTROLLER",
    "HOME",
    "MACHINE",
    "SHAPE",
    "MachineRequest",
    "as_yaml",
    "object_name",
    "render",
]

#: The container that people log into, and where its home is.
CONTAINER, HOME = "machine", "/home/dev"
MACHINE = "qwex.dev/machine"
#: Whose machine it is, of the controllers; jobs have another label, so that neither is taken for the other.
CONTROLLER = "qwex.dev/machines-of"
#: A digest of what cannot be changed without making the StatefulSet anew: Kueue keeps a workload's shape as it is.
SHAPE = "qwex.dev/shape"
#: A digest of what its user asked for: no other version of qwex, and no other setting, ends a machine that runs.
ASKED = "qwex.dev/asked"
_SCRIPTS = Path(__file__).parent / "scripts"
#: Before the name of a variable, in the Secret.
_VARIABLE = "variable."
#: Of the restricted pod security standard.
_RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
#: What every container of a machine sees: its Secret, and what is written at its start.
_MOUNTS = [
    {"name": "machine", "mountPath": "/qwex/machine", "readOnly": True},
    {"name": "run", "mountPath": "/qwex/run"},
]
#: Memory of a machine that names none, so that its queue counts some.
_MEMORY = "1Gi"
#: Seconds beyond the machine's own grace until Kubernetes ends it by force.
_MARGIN = 5


@dataclass(frozen=True)
class MachineRequest:
    """What ``start`` sends. The host key is read only then."""

    machine_id: str
    queue: str
    stateful_set: dict[str, Any]
    home: dict[str, Any]
    secret: dict[str, Any]
    host_key: Path
    #: Its class is found at start where the configuration names none.
    priority: int = 0

    @property
    def amounts(self) -> dict[str, float]:
        """What the queue will count, in the resources' own units."""
        return summed(requested(self.stateful_set["spec"]["template"]["spec"]))

    @property
    def shape(self) -> str:
        """See ``SHAPE``."""
        return str(self.stateful_set["metadata"]["annotations"][SHAPE])

    @property
    def asked(self) -> str:
        """See ``ASKED``."""
        return str(self.stateful_set["metadata"]["annotations"][ASKED])


def object_name(machine_id: str, part: str = "") -> str:
    """``qwex-<id>``, ``qwex-<id>-home``, ``qwex-<id>-auth``."""
    return f"qwex-{machine_id}-{part}" if part else f"qwex-{machine_id}"


def render(plan: MachinePlan, settings: KueueSettings, controller: str) -> MachineRequest:
    """The objects of one machine, with its pod to run.

    Raises:
        InvalidSpec: it asks for what no pod can have.
    """
    spec = plan.spec
    _check(spec, settings)
    labels = {
        **{key: names.label(value) for key, value in settings.labels.items()},
        "app.kubernetes.io/managed-by": "qwex",
        MACHINE: plan.machine_id,
        CONTROLLER: controller,
        names.USER: names.label(plan.user),
    }
    template = {"metadata": {"labels": labels}, "spec": _pod(plan, settings)}
    queue = spec.queue or settings.queue
    queueing = {names.QUEUE: queue}
    if spec.priority and settings.priorities:
        queueing |= manifests.priority_class(spec.priority, settings.priorities)
    fixed = json.dumps([template["spec"], queueing, spec.priority, spec.env, spec.pre_stop], sort_keys=True)
    shape = hashlib.sha256(fixed.encode()).hexdigest()[:16]
    stateful_set = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": object_name(plan.machine_id),
            "labels": {**labels, **queueing},
            "annotations": {names.NAME: spec.name, SHAPE: shape, ASKED: spec.fixed},
        },
        "spec": {
            "replicas": 1,
            "serviceName": "",
            "podManagementPolicy": "Parallel",
            # A machine is not replaced under its user: what changes it waits for its next start.
            "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": {MACHINE: plan.machine_id}},
            "template": template,
        },
    }
    home, secret = _home(plan, settings, labels), _secret(plan, labels)
    return MachineRequest(plan.machine_id, queue, stateful_set, home, secret, plan.host_key, spec.priority)


def as_yaml(request: MachineRequest) -> str:
    """The objects as a person reads them, without what is in the Secret."""
    inside = (*request.secret["data"], "ssh_host_ed25519_key")
    scripts = {path.stem for path in _SCRIPTS.glob("*.sh")}
    shown = {name: "<a script of qwex's>" if name in scripts else "<not shown>" for name in inside}
    secret = {**request.secret, "data": shown}
    objects = (request.stateful_set, request.home, secret)
    return "---\n".join(yaml.dump(each, Dumper=manifests.Plain, sort_keys=False, width=120) for each in objects)


def _check(spec: MachineSpec, settings: KueueSettings) -> None:
    if not (spec.image or settings.machine_image):
        message = "the machine names no image, and the configuration has none. Name one with --image, or in [kueue]"
        raise InvalidSpec.of("image", f"{message} machine_image")
    if not (spec.keys or spec.password):
        raise InvalidSpec.of("keys", "nobody could log in: it needs at least one public key")


def _pod(plan: MachinePlan, settings: KueueSettings) -> dict[str, Any]:
    spec, uid = plan.spec, settings.run_as_user or 1000
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": round(spec.grace) + _MARGIN,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": uid,
            "runAsGroup": uid,
            "fsGroup": uid,
            # A home of a million files is not gone through at every start.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": _first(plan, settings),
        "containers": [_container(plan, settings)],
        "volumes": [
            {"name": "home", "persistentVolumeClaim": {"claimName": object_name(plan.machine_id, "home")}},
            {"name": "machine", "secret": {"secretName": object_name(plan.machine_id, "auth")}},
            {"name": "run", "emptyDir": {}},
            # Data loaders of several processes share memory; a container's own has 64 MB.
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
        ],
        "tolerations": [*settings.tolerations],
    }
    if settings.service_account:
        pod["serviceAccountName"] = settings.service_account
    if settings.pull_secrets:
        pod["imagePullSecrets"] = [{"name": each} for each in settings.pull_secrets]
    if settings.node_selector:
        pod["nodeSelector"] = settings.node_selector
    if affinity := _gpu_affinity(spec, settings):
        pod["affinity"] = affinity
    return pod


def _first(plan: MachinePlan, settings: KueueSettings) -> list[dict[str, Any]]:
    """What runs before the machine: the ssh server comes along where its image is another, and ssh's user is made."""
    image = plan.spec.image or settings.machine_image
    steps = [("user", image)]
    if settings.machine_image and image != settings.machine_image:
        steps.insert(0, ("bring", settings.machine_image))
    return [_step(plan, settings, *step) for step in steps]


def _step(plan: MachinePlan, settings: KueueSettings, script: str, image: str) -> dict[str, Any]:
    resources = _resources(plan.spec, settings)
    container = {
        "name": script,
        "image": image,
        "command": ["/bin/sh", f"/qwex/machine/{script}"],
        "env": [{"name": "HOME", "value": HOME}, {"name": "QWEX_UID", "value": str(settings.run_as_user or 1000)}],
        # No more than the machine's own, of which nothing runs yet; a quota wants to see some.
        "resources": {each: {k: v for k, v in resources[each].items() if k in ("cpu", "memory")} for each in resources},
        "securityContext": _RESTRICTED,
        "volumeMounts": _MOUNTS,
    }
    return {**container, "imagePullPolicy": settings.pull_policy} if settings.pull_policy else container


def _container(plan: MachinePlan, settings: KueueSettings) -> dict[str, Any]:
    spec = plan.spec
    own = {
        "HOME": HOME,
        "QWEX_MACHINE": spec.name,
        "QWEX_VARIABLES": " ".join(spec.env),
        "QWEX_GRACE": str(round(spec.grace)),
    }
    if spec.resources.gpu_choices and settings.gpu_resource.startswith("nvidia.com/"):
        own["QWEX_GPUS"] = str(parse_gpu(spec.resources.gpu_choices[0]).count)
    container = {
        "name": CONTAINER,
        "image": spec.image or settings.machine_image,
        "command": ["/bin/sh", "/qwex/machine/start"],
        "env": [*_variables(plan, own), *({"name": name, "value": value} for name, value in own.items())],
        "workingDir": HOME,
        "ports": [{"name": "ssh", "containerPort": SSH_PORT}],
        "lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "/qwex/machine/stop"]}}},
        # Once it is there it ends only with the machine's first process. A readiness probe beside this one, looked at
        # seldom, would be late by up to its whole period: the kubelet's first look may come before its own news.
        "startupProbe": {
            "exec": {"command": ["/bin/sh", "/qwex/machine/ready"]},
            "periodSeconds": 1,
            "timeoutSeconds": 20,
            "failureThreshold": 3600,
        },
        "resources": _resources(spec, settings),
        "securityContext": _RESTRICTED,
        "volumeMounts": [
            {"name": "home", "mountPath": HOME},
            *_MOUNTS,
            # As ``user.sh`` has written them.
            {"name": "run", "mountPath": "/etc/passwd", "subPath": "etc/passwd", "readOnly": True},
            {"name": "run", "mountPath": "/etc/group", "subPath": "etc/group", "readOnly": True},
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - the machine's own
        ],
    }
    return {**container, "imagePullPolicy": settings.pull_policy} if settings.pull_policy else container


def _variables(plan: MachinePlan, own: Mapping[str, str]) -> list[dict[str, Any]]:
    """Those that were given, of which the pod has the names alone. The kubelet and a GPU's runtime want to see them."""
    secret = object_name(plan.machine_id, "auth")
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": f"{_VARIABLE}{name}"}}}
        for name in plan.spec.env
        if name not in own
    ]


def _resources(spec: MachineSpec, settings: KueueSettings) -> dict[str, Any]:
    asked = spec.resources
    memory = str(parse_memory(asked.memory or settings.default_memory or _MEMORY))
    requests = {"cpu": f"{max(round(parse_cpu(asked.cpu) * 1000), 1)}m", "memory": memory}
    limits = {"memory": memory}
    counts = {parse_gpu(choice).count for choice in asked.gpu_choices}
    if len(counts) > 1:
        raise InvalidSpec.of("resources.gpu", "all choices ask for the same number of GPUs on a cluster")
    if counts:
        requests[settings.gpu_resource] = limits[settings.gpu_resource] = str(counts.pop())
    return {"requests": requests, "limits": limits}


def _gpu_affinity(spec: MachineSpec, settings: KueueSettings) -> dict[str, Any] | None:
    """Nodes of any of the models that were named, by the labels that the configuration has for them."""
    choices = [manifests.gpu_labels(choice, settings) for choice in spec.resources.gpu_choices]
    if not choices or not all(choices):
        return None  # one of them is any GPU
    terms = [
        {"matchExpressions": [{"key": k, "operator": "In", "values": [v]} for k, v in sorted(labels.items())]}
        for labels in choices
    ]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def _home(plan: MachinePlan, settings: KueueSettings, labels: Mapping[str, str]) -> dict[str, Any]:
    spec = plan.spec
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": str(parse_memory(spec.home))}},
    }
    if storage_class := spec.storage_class or settings.machine_storage_class:
        claim["storageClassName"] = storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": object_name(plan.machine_id, "home"),
            "labels": dict(labels),
            "annotations": {names.NAME: spec.name},
        },
        "spec": claim,
    }


def _secret(plan: MachinePlan, labels: Mapping[str, str]) -> dict[str, Any]:
    data = {
        "authorized_keys": "".join(f"{key}\n" for key in plan.spec.keys),
        "ssh_host_ed25519_key.pub": f"{plan.host_key_public}\n",
        # As ``activity.sh`` reads it.
        "limits": " ".join(
            "-" if limit is None else str(round(limit)) for limit in (plan.spec.idle, plan.spec.max_age)
        ),
        **{f"{_VARIABLE}{name}": value for name, value in plan.spec.env.items()},
        **{path.stem: path.read_text() for path in sorted(_SCRIPTS.glob("*.sh"))},
    }
    if plan.spec.pre_stop:
        data["pre-stop"] = f"{plan.spec.pre_stop}\n"
    if plan.spec.password:
        data["password"] = f"{plan.spec.password}\n"
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "qwex.dev/machine",
        "metadata": {"name": object_name(plan.machine_id, "auth"), "labels": dict(labels)},
        "data": {name: base64.b64encode(text.encode()).decode() for name, text in data.items()},
    }
