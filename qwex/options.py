"""The options of a submission, described once: CLI flags, magic flags, JSON schema and docs come from this model."""

from __future__ import annotations

import os
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from qwex.errors import InvalidSpec
from qwex.quantities import parse_cpu, parse_duration, parse_gpu, parse_job_memory
from qwex.spec import JobSpec, Source, validated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qwex.config import Settings

__all__ = ["Flag", "SubmitOptions", "absolute", "flag_of", "flags", "flags_of", "project_defaults", "read_pairs"]

#: What an option is called in the spec, where the names differ.
_IN_SPEC = {
    "resources.gpu": "gpu",
    "resources.cpu": "cpu",
    "resources.memory": "mem",
    "timeout": "time",
    "retries.failures": "retries",
    "retries.exit_codes": "retry_on",
    "runtime.python": "python",
    "runtime.image": "image",
    "tags": "tag",
    "backend_options": "option",
}


def _as_written(parse: Any) -> Any:
    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _list(value: Any) -> Any:
    return [value] if isinstance(value, (str, int)) else value


Many = Annotated[tuple[str, ...], BeforeValidator(_list)]


class SubmitOptions(BaseModel):
    """How to run a job. Every field is a flag; ``short`` and ``metavar`` are in the field's extra."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    gpu: Annotated[str, _as_written(parse_gpu)] | None = Field(
        None, description="GPUs: 1, A100:2, A100:80GB:2, 24GB..80GB:1", json_schema_extra={"metavar": "GPU"}
    )
    cpu: Annotated[str, _as_written(parse_cpu)] | None = Field(
        None, description="CPU cores: 2, 0.5, 500m (default 1)", json_schema_extra={"metavar": "CORES"}
    )
    mem: Annotated[str, _as_written(parse_job_memory)] | None = Field(
        None, description="memory: 512Mi, 4Gi", json_schema_extra={"metavar": "SIZE"}
    )
    queue: str | None = Field(
        None, description="queue to stand in", json_schema_extra={"metavar": "NAME", "short": "q"}
    )
    priority: int | None = Field(None, description="higher goes first (default 0)", json_schema_extra={"metavar": "N"})
    time: Annotated[str, _as_written(parse_duration)] | None = Field(
        None, description="longest running time: 90s, 15m, 1h30m", json_schema_extra={"metavar": "TIME", "short": "t"}
    )
    name: str | None = Field(None, description="a name for people", json_schema_extra={"metavar": "NAME", "short": "n"})
    env: Many = Field((), description="set a variable in the job", json_schema_extra={"metavar": "K=V", "short": "e"})
    retries: int | None = Field(
        None, description="start again this often when the code fails", json_schema_extra={"metavar": "N"}
    )
    retry_on: Many = Field((), description="only retry these exit codes", json_schema_extra={"metavar": "CODE"})
    python: str | None = Field(None, description="interpreter to run with", json_schema_extra={"metavar": "PATH"})
    image: str | None = Field(
        None, description="container image to run in, where jobs have one", json_schema_extra={"metavar": "IMAGE"}
    )
    cwd: str | None = Field(None, description="working folder of the job", json_schema_extra={"metavar": "FOLDER"})
    workdir: str | None = Field(
        None,
        description="folder to send along as it is now (.gitignore and .qwexignore hold); the job runs in the copy",
        json_schema_extra={"metavar": "FOLDER"},
    )
    tag: Many = Field((), description="a label to find the job by", json_schema_extra={"metavar": "K=V"})
    experiment: str | None = Field(None, description="experiment it belongs to", json_schema_extra={"metavar": "NAME"})
    backend: str | None = Field(
        None, description="place that runs it", json_schema_extra={"metavar": "NAME", "short": "b"}
    )
    option: Many = Field((), description="an option of the backend's own", json_schema_extra={"metavar": "K=V"})
    no_preflight: bool = Field(False, description="don't check beforehand whether the job could ever run")

    def spec(self, source: Source, **more: Any) -> JobSpec:
        """The job these options describe; ``more`` are further fields of ``JobSpec``.

        Raises:
            InvalidSpec: lists every problem.
        """
        raw: dict[str, Any] = {
            "source": source,
            "name": self.name,
            "env": read_pairs(self.env, "env"),
            "cwd": absolute(self.cwd) if self.cwd else None,
            "workdir": os.path.normpath(absolute(self.workdir)) if self.workdir else None,
            "runtime": _given(python=self.python, image=self.image),
            "resources": _given(gpu=self.gpu, cpu=self.cpu, memory=self.mem),
            "queue": self.queue,
            "priority": self.priority,
            "timeout": self.time,
            "retries": _given(failures=self.retries, exit_codes=self.retry_on or None),
            "tags": read_pairs(self.tag, "tag"),
            "experiment": self.experiment,
            "backend": self.backend,
            "backend_options": read_pairs(self.option, "option"),
            "preflight": False if self.no_preflight else None,
        }
        try:
            result: JobSpec = validated(JobSpec, **{**_given(**raw), **_given(**more)})
        except InvalidSpec as error:
            raise _by_options(error) from None
        return result

    @classmethod
    def read(cls, raw: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> SubmitOptions:
        """Options from what a front end parsed; what is None or empty there comes from ``defaults``.

        Raises:
            InvalidSpec: lists every problem, by the flags' names.
        """
        given = {name: value for name, value in raw.items() if value is not False and value not in (None, (), [])}
        result: SubmitOptions = validated(cls, **{**(defaults or {}), **given})
        return result


def absolute(folder: str) -> str:
    """The folder as a job must name it: from here, ``~`` is home."""
    return os.path.join(os.getcwd(), os.path.expanduser(folder))


def project_defaults(settings: Settings) -> dict[str, Any]:
    """The section ``[submit]`` of the configuration, for ``SubmitOptions.read``.

    Raises:
        ConfigError: it names an option that does not exist.
    """
    settings.check("submit", list(SubmitOptions.model_fields))
    return settings.section("submit")


class Flag(NamedTuple):
    """One option as a command line shows it."""

    name: str  #: the field's name, such as ``retry_on``
    long: str  #: ``--retry-on``
    short: str  #: ``-q`` or empty
    kind: type  #: str, int, or bool of a flag without a value
    many: bool  #: may be given several times
    metavar: str
    help: str


def flags(model: type[BaseModel] = SubmitOptions) -> list[Flag]:
    """The model's fields as flags, in order; works for a backend's ``Options`` too."""
    return [_flag(name, field) for name, field in model.model_fields.items()]


def _flag(name: str, field: Any) -> Flag:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    short = f"-{extra['short']}" if "short" in extra else ""
    kind = _plain_type(field.annotation)
    metavar = "" if kind is bool else str(extra.get("metavar", name.upper()))
    many = kind in (tuple, list)
    shown = kind if kind in (int, bool) else str
    return Flag(name, "--" + name.replace("_", "-"), short, shown, many, metavar, field.description or "")


def _plain_type(annotation: Any) -> Any:
    """``int`` from ``int | None``, ``tuple`` from ``tuple[str, ...]``."""
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _plain_type(next(arg for arg in typing.get_args(annotation) if arg is not type(None)))
    return _plain_type(typing.get_args(annotation)[0]) if origin is Annotated else origin or annotation


def read_pairs(pairs: Sequence[str], flag: str) -> dict[str, str]:
    """``{"K": "V"}`` from ``["K=V"]``.

    Raises:
        InvalidSpec: a pair has no ``=``, or a key stands twice.
    """
    read: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise InvalidSpec.of(flag, f"{pair!r} is not of the form K=V")
        if key in read:
            raise InvalidSpec.of(flag, f"{key!r} stands twice")
        read[key] = value
    return read


def _by_options(error: InvalidSpec) -> InvalidSpec:
    """The same problems under the names of the options: of ``exit_codes.0`` the whole is the option's."""
    problems = [(_option(field), said) for field, said in error.problems]
    return InvalidSpec("; ".join(f"{name}: {said}" if name else said for name, said in problems), problems=problems)


def flag_of(field: str) -> str:
    """``--mem`` of ``resources.memory`` and of ``mem``, ``--env`` of ``env.A``; the field where no flag sets it."""
    option = _option(field).partition(".")[0]
    return f"--{option.replace('_', '-')}" if option in SubmitOptions.model_fields else field


def flags_of(part: str) -> str:
    """``--gpu, --cpu, --mem`` of ``resources``: all that set something in a part of the spec; empty where none does."""
    names = [name for path, name in _IN_SPEC.items() if path.startswith(f"{part}.")]
    return ", ".join(map(flag_of, names))


def _option(field: str) -> str:
    named = (name for path, name in _IN_SPEC.items() if field == path or field.startswith(f"{path}."))
    return next(named, field)


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
