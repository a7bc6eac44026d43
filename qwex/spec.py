"""What a job is: frozen data, validated once, the same in every front end and backend. No I/O."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from qwex import notebooks
from qwex.errors import InvalidSpec, nearest
from qwex.quantities import parse_cpu, parse_duration, parse_gpu, parse_job_memory

__all__ = [
    "INLINE_LIMIT",
    "LONGEST_TEXT",
    "MANY",
    "RUN_ID",
    "WORKDIR",
    "EnvironmentName",
    "JobSpec",
    "Notebook",
    "Plain",
    "Resources",
    "Retries",
    "Runtime",
    "Source",
    "Value",
    "Word",
    "mint_run_id",
    "validated",
]

#: A run id is a DNS label of at most 52 characters (Kubernetes adds suffixes to a Job's name), RFC 1123.
RUN_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,50}[a-z0-9])?")
#: Values up to this many bytes travel inside the spec, larger ones as blobs.
INLINE_LIMIT = 16 * 1024
#: The input that is the archive of a working folder.
WORKDIR = "__workdir__"
#: Characters of any text in a spec.
LONGEST_TEXT = 8_000_000
#: No control characters: these texts end up in terminals, labels and HTML.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONGEST_NAME = 200
#: A longer list of problems helps nobody.
_MOST_PROBLEMS = 20
#: Words of a command, names, variables: no job needs more, and what is wrong with each is listed one by one.
MANY = 10_000
_LABEL = r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"
#: Pydantic's words for these name types and operators.
_SENTENCES = {
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "a whole number; not {input!r}"),
    "string_too_long": "at most {max_length} characters",
}
_LONGEST_SHOWN = 40
_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f]*")
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def _plain(text: str) -> str:
    if not _PLAIN.fullmatch(text):
        raise ValueError("control characters are not allowed")
    return text


def _checked(parse: Any) -> Any:
    """A validator that keeps the text as written once ``parse`` accepts it."""

    def check(value: Any) -> str:
        parse(value)
        return str(value).strip()

    return BeforeValidator(check)


def _environment_name(name: str) -> str:
    if not re.fullmatch(r"[^=\x00-\x1f\x7f]+", name):
        raise ValueError(f"{name!r} is not a name of an environment variable")
    return name


def _folder(path: str) -> str:
    if path and not path.startswith("/"):
        raise ValueError(f"{path!r} is not an absolute path")
    return _no_nul(_plain(path))


def _identifier(name: str) -> str:
    if not name.isidentifier():
        raise ValueError(f"{name!r} is not a Python name")
    return name


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("no argument or variable can hold a NUL character")
    return text


Word = Annotated[str, AfterValidator(_no_nul)]
Plain = Annotated[str, AfterValidator(_plain)]
EnvironmentName = Annotated[str, AfterValidator(_environment_name)]
Folder = Annotated[str, AfterValidator(_folder)]
Label = Annotated[str, Field(pattern=_LABEL)]
Name = Annotated[str, AfterValidator(_identifier)]


def _finite(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise ValueError("inf and nan are no JSON; have the notebook make them of a text") from None
    return value


Parameter = Annotated[JsonValue, AfterValidator(_finite)]
Duration = Annotated[float, BeforeValidator(parse_duration)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_max_length=LONGEST_TEXT)


class Value(_Frozen):
    """A value on its way in or out: bytes inline (base64) or by digest (a blob of the controller's)."""

    digest: str = Field("", pattern=r"^(sha256:[0-9a-f]{64})?$", description="sha256:… of the bytes")
    size: int = Field(0, ge=0, description="bytes")
    format: Literal["cloudpickle", "json", "bytes"] = "cloudpickle"
    type_name: Plain = Field("", max_length=_LONGEST_NAME)
    python: str = Field("", pattern=r"^(3\.\d{1,3})?$", description="3.12: only it can load the code that is inside")
    data: str = Field("", description="base64 of the bytes when inline, else empty")

    @model_validator(mode="after")
    def _has_bytes(self) -> Value:
        if not (self.data or self.digest):
            raise ValueError("it has neither data nor a digest")
        try:
            base64.b64decode(self.data, validate=True)
        except ValueError as error:
            raise ValueError(f"data is not base64: {error}") from None
        return self


class Source(_Frozen):
    """The code. ``text`` is a cell's, script's or notebook's (nbformat 4); a command's words are ``JobSpec.args``."""

    kind: Literal["cell", "script", "function", "command", "notebook"]
    text: str = ""
    name: Plain = Field("", max_length=1024, description="file, function or cell name, as shown in tracebacks")
    line_offset: int = Field(0, ge=0, description="lines of the notebook's cell above the first line of text")
    execution_count: int | None = Field(None, ge=0, description="the cell's number in the notebook, In [n]")

    @property
    def digest(self) -> str:
        """sha256 of the text."""
        return "sha256:" + hashlib.sha256(self.text.encode()).hexdigest()


class Resources(_Frozen):
    """Amounts as Kubernetes writes them; ``gpu`` in the grammar ``1``, ``A100:2``, ``24GB..80GB:1``."""

    cpu: Annotated[str, _checked(parse_cpu)] = "1"
    memory: Annotated[str, _checked(parse_job_memory)] | None = None
    gpu: Annotated[str, _checked(parse_gpu)] | None = None


class Retries(_Frozen):
    """How often a failed job starts again, kept apart by whose fault it was."""

    failures: int = Field(0, ge=0, le=100, description="times, when the job's own code fails")
    exit_codes: tuple[int, ...] = Field((), max_length=256, description="only for these exit codes; empty means any")
    infrastructure: int = Field(1, ge=0, le=100, description="times, when the place failed (node lost, process lost)")


class Runtime(_Frozen):
    """Where the code runs: an image on a cluster, an interpreter on this machine."""

    image: Plain | None = None
    python: Plain | None = Field(None, description="path of the interpreter; default the submitting one")
    packages: tuple[Plain, ...] = Field((), max_length=MANY)


class Notebook(_Frozen):
    """The notebook a cell came from."""

    path: Plain = ""
    cell_id: Plain = ""


class JobSpec(_Frozen):
    """One job as its user described it."""

    source: Source
    name: Plain = Field("", max_length=200)
    args: tuple[Word, ...] = Field((), max_length=MANY)
    env: dict[EnvironmentName, Word] = Field({}, max_length=MANY, description="variables to set")
    cwd: Folder = Field("", description="working folder, an absolute path; default the submitting client's")
    workdir: Folder = Field(
        "", description="folder of the client's that is sent along as it is now; the job runs in that copy"
    )
    runtime: Runtime = Runtime()
    resources: Resources = Resources()
    queue: Label | None = None
    priority: int = Field(0, ge=-1_000_000, le=1_000_000, description="higher goes first")
    timeout: Duration | None = Field(None, description="seconds of running time after which the job is ended")
    grace: Duration = Field(30.0, description="seconds between SIGTERM and SIGKILL")
    retries: Retries = Retries()
    inputs: dict[Name, Value] = Field({}, max_length=MANY)
    outputs: tuple[Name, ...] = Field((), max_length=MANY)
    parameters: dict[Name, Parameter] = Field(
        {}, max_length=MANY, description="values for names that the notebook's cell tagged parameters assigns"
    )
    tags: dict[Label, Plain] = Field({}, max_length=MANY)
    experiment: Plain = ""
    notebook: Notebook | None = None
    group: Label | None = Field(None, description="jobs submitted as one array share it")
    backend: Label | None = None
    preflight: bool = Field(True, description="let the backend check beforehand whether it could ever run")
    backend_options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _complete(self) -> JobSpec:
        kind = self.source.kind
        if kind == "command" and not self.args:
            raise ValueError("source: a command needs at least one word in args")
        if kind in ("cell", "script") and not self.source.text.strip():
            raise ValueError(f"source: the {kind} is empty")
        if kind == "notebook":
            _check_notebook(self.source.text, self.parameters)
        elif self.parameters:
            raise ValueError(f"parameters: only a notebook has them, not a {kind}")
        if self.cwd and (self.workdir or WORKDIR in self.inputs):
            raise ValueError("cwd: the job runs in the folder that is sent along; leave out one of the two")
        if len(set(self.outputs)) != len(self.outputs):
            raise ValueError("outputs: a name stands twice")
        return self

    @property
    def title(self) -> str:
        """A name for people."""
        word = self.args[0] if self.source.kind == "command" else self.source.kind
        title = self.name or self.source.name.rsplit("/", 1)[-1] or word.rsplit("/", 1)[-1]
        return _CONTROL.sub("�", title)[:_LONGEST_NAME] or self.source.kind


def _check_notebook(text: str, parameters: dict[str, Any]) -> None:
    try:
        notebook = notebooks.parsed(text)
    except ValueError as error:
        raise ValueError(f"source: {error}") from None
    if not notebooks.cells(notebook):
        raise ValueError("source: the notebook has no code")
    try:
        notebooks.with_parameters(notebook, parameters)
    except ValueError as error:
        raise ValueError(f"parameters: {error}") from None


def mint_run_id(name: str) -> str:
    """``<slug>-<random>``, the job's one name in every system; unique without asking anyone."""
    stem = name.lower().rsplit("/", 1)[-1].removesuffix(".py").removesuffix(".ipynb")
    slug = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")
    if not slug or not slug[0].isalpha():
        slug = f"job-{slug}"
    return f"{slug[:40].rstrip('-')}-{''.join(secrets.choice(_ALPHABET) for _ in range(8))}"


def validated(build: Any, *args: Any, **kwargs: Any) -> Any:
    """``build(*args, **kwargs)``, with pydantic's errors turned into one ``InvalidSpec`` that lists the problems."""
    try:
        return build(*args, **kwargs)
    except ValidationError as error:
        found = error.errors(include_url=False)
        model = getattr(build, "__self__", build)
        problems = [(_field(e["loc"]), _sentence(e, model)) for e in found[:_MOST_PROBLEMS]]
        if len(found) > _MOST_PROBLEMS:
            problems.append(("", f"and {len(found) - _MOST_PROBLEMS:,} more problems"))
        raise InvalidSpec("; ".join(f"{f}: {m}" if f else m for f, m in problems), problems=problems) from None


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location if part != "[key]")


def _sentence(error: Any, model: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _no_such_field(error["loc"], model)
    if kind == "string_pattern_mismatch" and context["pattern"] == _LABEL:
        return "letters, digits, '-', '_' and '.' only, a letter or a digit at both ends, at most 63"
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(**context, input=_short(error["input"]))
    message: str = error["msg"]
    return message.removeprefix("Value error, ")


def _short(given: Any) -> Any:
    return given if len(str(given)) <= _LONGEST_SHOWN else f"{str(given)[:_LONGEST_SHOWN]}…"


def _no_such_field(location: tuple[int | str, ...], model: Any) -> str:
    """With the fields there are instead, where the model that has none of that name can be told."""
    for part in location[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        model = field.annotation if field else None
    if not hasattr(model, "model_fields"):
        return "no such field"
    known = list(model.model_fields)
    near = nearest(str(location[-1]), known)
    return f"no such field.{near} There is: {', '.join(known)}" if known else "no such field; there are none"
