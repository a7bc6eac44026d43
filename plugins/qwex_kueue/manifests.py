"""A plan as Kubernetes objects: a Job with its pod, and the Secret that holds what to run. Pure."""

from __future__ import annotations

import base64
import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from qwex.errors import InvalidSpec, nearest
from qwex.quantities import format_bytes, parse_cpu, parse_gpu, parse_memory
from qwex_kueue import contents, names
from qwex_kueue.agent import PORT
from qwex_kueue.amounts import listed
from qwex_kueue.contents import DESCRIPTION, JOB, LATER, WORK
from qwex_kueue.merging import merged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.backend import Plan
    from qwex.spec import JobSpec
    from qwex_kueue.settings import KueueSettings

__all__ = [
    "LATER",
    "KueueRequest",
    "Plain",
    "anew",
    "as_yaml",
    "attempt_secret",
    "gpu_labels",
    "priority_class",
    "render",
    "renewed_secret",
    "runner_config_map",
]

#: Where things lie in a pod.
_RUNNER, _FOLDER = "/qwex/runner", "/qwex/job"
_ATTEMPT, _PYZ = f"{_FOLDER}/attempt", "qwex-runner.pyz"
_MOUNTS = (
    {"name": "runner", "mountPath": _RUNNER, "readOnly": True},
    {"name": "description", "mountPath": DESCRIPTION, "readOnly": True},
    {"name": "job", "mountPath": _FOLDER},
)
#: Seconds beyond the job's grace and the agent's wait until Kubernetes ends a pod by force.
_MARGIN = 10
#: Millicores of a job that are its agent's, at most.
_AGENTS_MOST = 100
#: Both containers, under the restricted pod security standard.
_RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


@dataclass(frozen=True)
class KueueRequest:
    """What ``submit`` sends. ``blobs`` are read only then: URL by key of the Secret."""

    run_id: str
    attempt: int
    queue: str
    job: dict[str, Any]
    secret: dict[str, Any]
    #: Its class is found at submit where the configuration names none.
    priority: int = 0
    blobs: dict[str, str] = field(default_factory=dict)
    #: Files that the Secret gets as they are, by its key.
    files: dict[str, str] = field(default_factory=dict)
    #: A file that may come a moment later than the request.
    later: str = ""
    #: The Pythons whose code is among the inputs, such as ``3.12``.
    pythons: frozenset[str] = frozenset()
    #: Whether to look beforehand if it could ever run.
    preflight: bool = True


def runner_config_map(name: str, zipapp: bytes) -> dict[str, Any]:
    """The runner as a ConfigMap that every pod mounts."""
    data = {_PYZ: base64.b64encode(zipapp).decode()}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "qwex"}},
        "binaryData": data,
        "immutable": True,
    }


def render(plan: Plan, settings: KueueSettings, queue: str, runner: str, controller: str) -> KueueRequest:
    """The objects of one attempt; ``runner`` is the ConfigMap's name.

    Raises:
        InvalidSpec: the job asks for what no pod can have.
    """
    spec, name = plan.spec, names.job_name(plan.run_id, plan.attempt)
    _check(plan, settings)
    limit = parse_memory(settings.inline_limit)
    blobs, fetched = contents.apart(plan, limit)
    description = contents.description_of(plan, blobs, fetched)
    contents.check_size(plan, len(description), blobs, limit)
    labels = _labels(plan, settings, controller)
    job = _job(plan, settings, queue, labels, _template(plan, settings, name, runner, labels))
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "qwex.dev/job",
        "metadata": {"name": name, "labels": labels},
        "data": {JOB: base64.b64encode(description).decode()},
    }
    pythons = frozenset(value.python for value in spec.inputs.values() if value.python)
    return KueueRequest(
        plan.run_id,
        plan.attempt,
        queue,
        job,
        secret,
        spec.priority,
        blobs,
        contents.startup(plan),
        str(plan.later or ""),
        pythons,
        spec.preflight,
    )


def _labels(plan: Plan, settings: KueueSettings, controller: str) -> dict[str, str]:
    return {
        **{key: names.label(value) for key, value in settings.labels.items()},
        "app.kubernetes.io/managed-by": "qwex",
        names.RUN_ID: plan.run_id,
        names.ATTEMPT: str(plan.attempt),
        names.CONTROLLER: controller,
        names.USER: names.label(plan.user),
        **({names.GROUP: names.label(plan.spec.group)} if plan.spec.group else {}),
    }


def _job(
    plan: Plan, settings: KueueSettings, queue: str, labels: dict[str, str], template: dict[str, Any]
) -> dict[str, Any]:
    spec, known = plan.spec, settings.priorities
    queueing = {names.QUEUE: queue, **(priority_class(spec.priority, known) if spec.priority and known else {})}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": names.job_name(plan.run_id, plan.attempt),
            "labels": {**labels, **queueing},
            "annotations": {names.NAME: spec.title},
        },
        "spec": {
            # Kueue lets it go; where Kueue does not look after the namespace, the job does not run past its quota.
            "suspend": True,
            "completions": 1,
            "parallelism": 1,
            # Whether and when a job starts again is the controller's to say.
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": round(settings.keep),
            "template": merged(template, settings.pod_template),
        },
    }


def as_yaml(request: KueueRequest) -> str:
    """The objects as a person reads them; what is secret shows as its size."""
    secret = copy.deepcopy(request.secret)
    sizes = {key: f"<{format_bytes(len(text) * 3 // 4)}>" for key, text in secret.pop("data").items()}
    read = [*request.blobs, *request.files, *([LATER] if request.later else [])]
    secret["data"] = {**sizes, **dict.fromkeys(read, "<read at submit>")}
    return "---\n".join(yaml.dump(each, Dumper=Plain, sort_keys=False, width=120) for each in (request.job, secret))


class Plain(yaml.SafeDumper):
    """Without anchors: what stands twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """Always."""
        return True


def _check(plan: Plan, settings: KueueSettings) -> None:
    spec = plan.spec
    if names.is_derived(plan.run_id):
        raise InvalidSpec.of("run_id", f"{plan.run_id} ends as the Jobs of retries do (--2); use another id")
    if spec.runtime.packages:
        raise InvalidSpec.of("runtime.packages", "pods run an image as it is; build one with the packages in it")
    if not (spec.runtime.image or settings.image):
        message = "the job names no image, and the configuration has none. Name one with --image, or in [kueue] image"
        raise InvalidSpec.of("runtime.image", message)


def anew(job: Mapping[str, Any]) -> dict[str, Any]:
    """A Job of the cluster's as it could be created once more: without what the cluster has added."""
    metadata = {name: job["metadata"][name] for name in ("name", "labels")}
    spec = {name: value for name, value in job["spec"].items() if name != "selector"}
    template = {"spec": spec["template"]["spec"]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {**spec, "template": template}}


def priority_class(priority: int, known: Mapping[str, int]) -> dict[str, str]:
    """The label with the WorkloadPriorityClass whose value is ``priority``.

    Raises:
        InvalidSpec: there is none, or more than one; lists those there are.
    """
    named = sorted(name for name, value in known.items() if value == priority)
    if not named:
        there = ", ".join(f"{value} ({name})" for name, value in sorted(known.items())) or "none that you may read"
        raise InvalidSpec.of("priority", f"no priority class has the value {priority}. There is: {there}")
    if len(named) > 1:
        choice = f"[kueue] priorities = {{ {named[0]} = {priority} }}, with all others that you use"
        message = f"{listed(named)} have the value {priority}. Choose in the configuration: {choice}"
        raise InvalidSpec.of("priority", message)
    return {names.PRIORITY_CLASS: named[0]}


def _template(plan: Plan, settings: KueueSettings, name: str, runner: str, labels: dict[str, str]) -> dict[str, Any]:
    spec = plan.spec
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": round(spec.grace) + round(settings.linger) + _MARGIN,
        "securityContext": _identity(settings),
        "initContainers": [_agent_container(spec, settings)],
        "containers": [_job_container(spec, settings)],
        "volumes": [
            {"name": "runner", "configMap": {"name": runner}},
            {"name": "description", "projected": {"sources": _description_sources(name)}},
            {"name": "job", "emptyDir": {}},
            {"name": "work", "emptyDir": {}},
        ],
        "tolerations": [*_away(settings), *settings.tolerations],
    }
    if settings.service_account:
        pod["serviceAccountName"] = settings.service_account
    if settings.pull_secrets:
        pod["imagePullSecrets"] = [{"name": each} for each in settings.pull_secrets]
    if selector := {**settings.node_selector, **gpu_labels(spec.resources.gpu, settings)}:
        pod["nodeSelector"] = selector
    return {"metadata": {"labels": labels}, "spec": pod}


def _agent_container(spec: JobSpec, settings: KueueSettings) -> dict[str, Any]:
    return {
        "name": names.AGENT,
        **_image(spec, settings),
        "restartPolicy": "Always",
        "command": [*_runner(spec, settings, "agent"), "--port", str(PORT), "--linger", str(round(settings.linger))],
        "env": [{"name": "QWEX_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}],
        "resources": {
            "requests": {"cpu": f"{_agents_millicores(spec)}m", "memory": "0"},
            "limits": {"memory": "256Mi"},
        },
        "securityContext": _RESTRICTED,
        "volumeMounts": [*_MOUNTS],
    }


def _job_container(spec: JobSpec, settings: KueueSettings) -> dict[str, Any]:
    return {
        "name": names.JOB,
        **_image(spec, settings),
        "command": [*_runner(spec, settings, "run"), "--echo", "--last-words", "/dev/termination-log"],
        "lifecycle": _heard(spec, settings),
        "env": [{"name": "HOME", "value": WORK}],
        "workingDir": WORK,
        "resources": _resources(spec, settings),
        "securityContext": _RESTRICTED,
        "volumeMounts": [*_MOUNTS, {"name": "work", "mountPath": WORK}],
    }


def _image(spec: JobSpec, settings: KueueSettings) -> dict[str, str]:
    image = {"image": spec.runtime.image or settings.image}
    return {**image, "imagePullPolicy": settings.pull_policy} if settings.pull_policy else image


def _runner(spec: JobSpec, settings: KueueSettings, command: str) -> list[str]:
    return [*_program(spec, settings), command, _ATTEMPT, "--description", DESCRIPTION]


def _heard(spec: JobSpec, settings: KueueSettings) -> dict[str, Any]:
    """The job is told to end once it hears that, which is when it has begun its log.

    Not the agent: that has often left when it is told to, and a hook that finds no process is a warning to everybody.
    """
    return {"preStop": {"exec": {"command": [*_program(spec, settings), "await", f"{_ATTEMPT}/events.jsonl"]}}}


def _program(spec: JobSpec, settings: KueueSettings) -> list[str]:
    return [spec.runtime.python or settings.python, f"{_RUNNER}/{_PYZ}"]


def _description_sources(name: str) -> list[dict[str, Any]]:
    """What to run; for a pod that follows a preempted one, which attempt it is; and what was renewed meanwhile.

    Of two sources that have the same file the later one counts.
    """
    attempt = _optional(names.attempt_secret_name(name), "attempt")
    return [{"secret": {"name": name}}, attempt, _optional(names.renewed_secret_name(name), JOB, LATER)]


def _optional(name: str, *keys: str) -> dict[str, Any]:
    """These of a Secret's, as far as they are there."""
    return {"secret": {"name": name, "optional": True, "items": [{"key": key, "path": key} for key in keys]}}


def attempt_secret(job: str, run_id: str, attempt: int) -> dict[str, Any]:
    """Tells the next pod of a Job that it is that attempt."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "qwex.dev/attempt",
        "metadata": {
            "name": names.attempt_secret_name(job),
            "labels": {"app.kubernetes.io/managed-by": "qwex", names.RUN_ID: run_id},
        },
        "data": {"attempt": base64.b64encode(str(attempt).encode()).decode()},
    }


def renewed_secret(request: KueueRequest, job: str, later: bytes | None) -> dict[str, Any]:
    """What stands in its own Secret otherwise, for the next pod of a Job; ``later`` as far as it is known."""
    data = {JOB: request.secret["data"][JOB]}
    if later is not None:
        data[LATER] = base64.b64encode(later).decode()
    metadata = {**request.secret["metadata"], "name": names.renewed_secret_name(job)}
    return {**request.secret, "metadata": metadata, "data": data}


def _identity(settings: KueueSettings) -> dict[str, Any]:
    identity: dict[str, Any] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if settings.run_as_user:
        identity |= {"runAsUser": settings.run_as_user, "runAsGroup": settings.run_as_user}
        identity["fsGroup"] = settings.run_as_user
    return identity


def _away(settings: KueueSettings) -> list[dict[str, Any]]:
    """How long a pod stays bound to a node that does not answer; Kubernetes' own default is five minutes."""
    common = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": round(settings.node_patience)}
    return [{"key": f"node.kubernetes.io/{state}", **common} for state in ("not-ready", "unreachable")]


def _resources(spec: JobSpec, settings: KueueSettings) -> dict[str, Any]:
    asked = spec.resources
    requests: dict[str, str] = {"cpu": f"{_asked_millicores(spec) - _agents_millicores(spec)}m"}
    limits: dict[str, str] = {}
    if memory := asked.memory or settings.default_memory:
        requests["memory"] = limits["memory"] = _mebibytes(parse_memory(memory))
    if asked.gpu:
        requests[settings.gpu_resource] = limits[settings.gpu_resource] = str(parse_gpu(asked.gpu).count)
    return {"requests": requests, **({"limits": limits} if limits else {})}


def _asked_millicores(spec: JobSpec) -> int:
    return max(round(parse_cpu(spec.resources.cpu) * 1000), 1)


def _agents_millicores(spec: JobSpec) -> int:
    """The agent's part of what the job asks for, so that its queue counts just that.

    Without any it would get next to nothing of a node that the job itself keeps busy.
    """
    return min(_asked_millicores(spec) // 10, _AGENTS_MOST)


def _mebibytes(number: int) -> str:
    """``512Mi``, or all bytes where it is not a whole number of them."""
    return f"{number >> 20}Mi" if number % (1 << 20) == 0 else str(number)


def gpu_labels(gpu: str | None, settings: KueueSettings) -> dict[str, str]:
    """The labels of nodes that have the GPU that is asked for by name.

    Raises:
        InvalidSpec: none are known for it.
    """
    if not gpu:
        return {}
    asked = parse_gpu(gpu)
    if asked.memory_min or asked.memory_max:
        raise InvalidSpec.of("resources.gpu", "this cluster's GPUs are told apart by model, not by memory")
    if not asked.model:
        return {}
    if asked.model not in settings.gpu_labels:
        known = sorted(settings.gpu_labels)
        message = f"no GPU model {asked.model!r}.{nearest(asked.model, known)} There is: {', '.join(known) or 'none'}"
        raise InvalidSpec.of("resources.gpu", f"{message} ([kueue] gpu_labels). What there is: qwex gpus")
    return settings.gpu_labels[asked.model]
