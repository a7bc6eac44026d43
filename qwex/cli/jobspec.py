"""From arguments to a job: a script, a command, or a file that describes one."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwex import config
from qwex.cli.command import Flag
from qwex.errors import InvalidSpec, nearest
from qwex.options import SubmitOptions, flags
from qwex.spec import JobSpec, Source, validated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qwex.cli.command import Given

__all__ = ["build", "changes", "option_flags"]

_COMPLETE = {"queue": "queue", "backend": "backend"}
_SPEC_FILES = (".json", ".yaml", ".yml")


def option_flags() -> tuple[Flag, ...]:
    """The flags of a submission, as ``qwex.options`` describes them."""
    return tuple(
        Flag(
            flag.name, flag.long, flag.help + (" (several times)" if flag.many else ""), flag.short, flag.kind,
            flag.many, flag.metavar, _COMPLETE.get(flag.name, ""),
        )
        for flag in flags()
    )  # fmt: skip


def build(words: Sequence[str], rest: Sequence[str], given: Given) -> JobSpec:
    """The job: ``words`` are a file and its arguments, ``rest`` more of them or, without a file, a command.

    Raises:
        InvalidSpec: lists every problem.
    """
    raw = {name: given[name] for name in SubmitOptions.model_fields}
    defaults = config.load().section("submit")
    if not words:
        return _command(rest, SubmitOptions.read(raw, defaults))
    path, args = Path(words[0]), (*words[1:], *rest)
    if path.suffix.lower() in _SPEC_FILES:
        return _described(path, args, SubmitOptions.read(raw), SubmitOptions.read({}, defaults))
    return _script(path, args, SubmitOptions.read(raw, defaults))


def changes(options: SubmitOptions) -> dict[str, Any]:
    """The fields of a spec that these options set, and no others."""
    source = validated(Source, kind="script", text="pass")
    spec = options.spec(source).model_dump(mode="json", exclude_unset=True)
    return {name: value for name, value in spec.items() if name != "source" and value not in ({}, None)}


def _command(words: Sequence[str], options: SubmitOptions) -> JobSpec:
    if not words:
        raise InvalidSpec("what to run? A script: qwex submit train.py. A command: qwex submit -- make all")
    source = validated(Source, kind="command", name=words[0].rsplit("/", 1)[-1])
    return options.spec(source, args=tuple(words))


def _script(path: Path, args: Sequence[str], options: SubmitOptions) -> JobSpec:
    text = _read(path)
    if not options.python:
        _check_syntax(path, text)
    source = validated(Source, kind="script", text=text, name=str(path.absolute()))
    return options.spec(source, args=tuple(args))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = nearest(path.name, [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else [])
        raise InvalidSpec.of("script", f"no file {str(path)!r}.{near} A command is given after --") from None
    except UnicodeDecodeError:
        raise InvalidSpec.of("script", f"{path} is not text. Run a program with: qwex submit -- {path}") from None
    except OSError as error:
        raise InvalidSpec.of("script", f"{path}: {error.strerror}") from None


def _check_syntax(path: Path, text: str) -> None:
    """Refuse what this Python cannot compile, before it waits in a queue for that."""
    if path.suffix == ".ipynb":
        raise InvalidSpec.of("script", f"{path} is a notebook; put %%qwex above its cells, or export a script")
    if text.startswith("#!") and "python" not in text.partition("\n")[0]:
        raise InvalidSpec.of("script", f"{path} is not a Python script. Run it with: qwex submit -- ./{path.name}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the job will say them
            compile(text, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"{path}, line {line}" if line else str(path)
        raise InvalidSpec.of("script", f"{where}: {getattr(error, 'msg', error)}. Nothing was submitted") from None


def _described(path: Path, args: Sequence[str], given: SubmitOptions, defaults: SubmitOptions) -> JobSpec:
    """The job that the file describes; flags win over the file, the file over defaults."""
    raw = _load(path)
    merged = _over(_over(changes(defaults), raw), changes(given))
    if args:
        merged["args"] = list(args)
    _fill_source(merged.get("source"), path.parent)
    spec: JobSpec = validated(JobSpec.model_validate, merged)
    return spec


def _load(path: Path) -> dict[str, Any]:
    text = _read(path)
    try:
        raw = json.loads(text) if path.suffix.lower() == ".json" else _yaml(text)
    except ValueError as error:
        raise InvalidSpec.of(str(path), str(error)) from None
    if not isinstance(raw, dict):
        raise InvalidSpec.of(str(path), "a job spec is a mapping, with at least: source")
    return raw


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings in one, nested ones too; ``above`` wins."""
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _over(merged[name], value) if both else value
    return merged


def _fill_source(source: Any, folder: Path) -> None:
    """Read the text of a script that the description only names; its path counts from the description's folder."""
    if isinstance(source, dict) and source.get("kind") == "script" and source.get("name") and not source.get("text"):
        script = folder / str(source["name"])
        source.update(text=_read(script), name=str(script.absolute()))
