"""The ``[local]`` section of the configuration: what this machine gives, and the queues that share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from qwex.config import read_section
from qwex.quantities import parse_cpu, parse_duration, parse_gpu, parse_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LocalSettings", "QueueSettings", "read"]


def _gpus(given: Any) -> Any:
    """Simulated GPUs: how many, or in the GPU grammar (``A100:80GB:2``)."""
    text = str(given).strip()
    if text != "0":
        parse_gpu(given)
    return text


Cores = Annotated[float, BeforeValidator(parse_cpu)]
Bytes = Annotated[int, BeforeValidator(parse_memory)]
Seconds = Annotated[float, BeforeValidator(parse_duration)]
Gpus = Annotated[str, BeforeValidator(_gpus)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QueueSettings(_Section):
    """One queue's quota; what is absent is the machine's own amount."""

    cpu: Cores | None = None
    memory: Bytes | None = None
    gpu: int | None = Field(default=None, ge=0)
    description: str = ""
    default: bool = False


class LocalSettings(_Section):
    """What this machine gives to jobs, and how it is shared."""

    cpu: Cores | None = Field(None, description="cores for jobs; default this machine's")
    memory: Bytes | None = Field(None, description="memory for jobs; default 90 % of this machine's")
    gpus: Gpus | None = Field(None, description="simulated GPUs (2, A100:80GB:2), 0 for none; default those found")
    queues: dict[str, QueueSettings] = {}
    backfill_max_wait: Seconds = Field(600.0, description="longest time that smaller jobs may pass one that waits")
    preempt: bool = Field(True, description="a job of higher priority may send running ones back to the queue")
    grace: Seconds = Field(300.0, description="the most a job's own grace may be; that is 30 s where it names none")
    sshd: str | None = Field(None, description="ssh server for dev machines; default the one found, empty for none")
    linger: Seconds = Field(120.0, description="how long an idle interpreter stays loaded without a controller")

    @model_validator(mode="after")
    def _one_default(self) -> LocalSettings:
        if sum(queue.default for queue in self.queues.values()) > 1:
            raise ValueError("queues: only one may be the default")
        return self


def read(section: Mapping[str, Any]) -> LocalSettings:
    """The settings in ``section``.

    Raises:
        ConfigError: lists every problem, by the setting's name.
    """
    return read_section("local", LocalSettings, section)
