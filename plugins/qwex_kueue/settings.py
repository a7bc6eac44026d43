"""The ``[kueue]`` section of the configuration: which cluster, which namespace, and what a pod looks like there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from qwex.config import read_section
from qwex.quantities import parse_duration, parse_memory
from qwex_kueue import podtemplate

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KueueSettings", "read"]

Seconds = Annotated[float, BeforeValidator(parse_duration)]
#: Bytes of all values of a Secret together, at most: MaxSecretSize of k8s.io/api/core/v1.
_SECRET = 1 << 20


def _memory(given: Any) -> str:
    parse_memory(given)
    return str(given)


def _of_a_secret(given: Any) -> str:
    if parse_memory(given) > _SECRET:
        raise ValueError("at most 1Mi; Kubernetes takes no larger Secret")
    return str(given)


class KueueSettings(BaseModel):
    """Where jobs go, and what every pod of this site has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kubeconfig: str = Field("", description="file; default $KUBECONFIG, ~/.kube/config, or the pod's own account")
    context: str = Field("", description="context of the kubeconfig; default its current one")
    namespace: str = Field(
        "", pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$", description="namespace of the jobs; default the context's"
    )
    queue: str = Field("default", min_length=1, description="LocalQueue of jobs that name none")
    image: str = Field("", description="image of jobs that name none; it needs Python 3.9 or newer and nothing else")
    pull_policy: str = Field("", pattern="^(|Always|IfNotPresent|Never)$", description="imagePullPolicy")
    pull_secrets: tuple[str, ...] = Field((), description="names of Secrets for private registries")
    python: str = Field("python3", description="the interpreter's name or path in the image")
    priorities: dict[str, int] = Field(
        {}, description="WorkloadPriorityClass by name, with its value; default those that the user may read"
    )
    gpu_resource: str = Field("nvidia.com/gpu", description="the GPUs' extended resource")
    gpu_labels: dict[str, dict[str, str]] = Field({}, description="node labels of a GPU model: A100 = {…}")
    default_memory: Annotated[str, BeforeValidator(_memory)] | None = Field(
        None, description="memory of jobs that ask for none; without it they have no limit"
    )
    machine_image: str = Field(
        "lscr.io/linuxserver/openssh-server:latest",
        description="image of dev machines that name none; its ssh server is brought along into those of others",
    )
    machine_storage_class: str = Field(
        "", max_length=253, description="StorageClass of homes of dev machines that name none; default the cluster's"
    )
    service_account: str = Field("", description="the pods' account; no token of it is mounted")
    node_selector: dict[str, str] = Field({}, description="labels that nodes must have")
    tolerations: tuple[dict[str, Any], ...] = Field((), description="as in a pod's spec")
    labels: dict[str, str] = Field({}, description="on every Job and pod, for cost accounting and the like")
    run_as_user: Annotated[int, Field(ge=1)] | Literal[""] = Field(
        1000, description='uid of the pods; "" means the image\'s own, which must not be root'
    )
    pod_template: dict[str, Any] = Field({}, description="merged into each pod's template (strategic merge)")
    linger: Seconds = Field(300.0, description="how long an ended pod waits for someone to fetch its output")
    keep: Seconds = Field(86400.0, description="how long an ended Job stays in the cluster")
    image_patience: Seconds = Field(
        120.0, description="how long an image, or a container, may fail to start before the job does"
    )
    node_patience: Seconds = Field(60.0, description="how long a node may be away before its jobs are given up")
    workload_patience: Seconds = Field(10.0, description="how long Kueue may take to notice a new Job")
    inline_limit: Annotated[str, BeforeValidator(_of_a_secret)] = Field(
        "1Mi", description="bytes of a job's code, inputs and variables; they travel in a Secret, which holds no more"
    )

    @field_validator("labels")
    @classmethod
    def _no_others_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        if taken := sorted(podtemplate.taken_labels(labels)):
            raise ValueError(f"{', '.join(taken)}: qwex or Kueue goes by it; {podtemplate.OTHER_LABELS}")
        return labels

    @field_validator("pod_template")
    @classmethod
    def _leaves_what_is_qwexs_own(cls, template: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        counted = ("cpu", "memory", info.data.get("gpu_resource", ""))
        if found := list(podtemplate.problems(template, counted)):
            raise ValueError("; ".join(found))
        try:
            json.dumps(template)
        except TypeError as error:
            raise ValueError("a date or a time in it is written as text, in quotes") from error
        return template


def read(section: Mapping[str, Any]) -> KueueSettings:
    """The settings in ``section``.

    Raises:
        ConfigError: lists every problem, by the setting's name.
    """
    return read_section("kueue", KueueSettings, section)
