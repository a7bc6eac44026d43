"""A file as a job: a script, a notebook, or a description in YAML or JSON."""

from __future__ import annotations

import json
import warnings
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.client import notebookfile
from qwex.errors import InvalidSpec, nearest
from qwex.options import SubmitOptions
from qwex.spec import JobSpec, Notebook, Source, validated

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    #: How a front end writes a command, for those who meant one.
    Spell = Callable[[Sequence[str]], str]

__all__ = ["NOTEBOOK", "changes", "of_file"]

_DESCRIPTIONS = (".json", ".yaml", ".yml")
#: How the name of a notebook ends.
NOTEBOOK = ".ipynb"


class _File(NamedTuple):
    path: Path
    spell: Spell
    #: Whether this Python is the one that will run the code.
    ours: bool


def of_file(
    path: Path,
    args: Sequence[str],
    given: Mapping[str, Any],
    defaults: Mapping[str, Any],
    *,
    spell: Spell,
    outputs: Sequence[str] = (),
    parameters: Mapping[str, Any] = MappingProxyType({}),
    ours: bool = True,
) -> JobSpec:
    """The job that the file is, as it stands now; ``given`` and ``defaults`` are fields of ``SubmitOptions``.

    ``args`` are for scripts, ``parameters`` for notebooks. Unless it is ``ours``, another Python than this one runs the
    code, which may know another syntax.

    Raises:
        InvalidSpec: lists every problem.
    """
    file = _File(path, spell, ours)
    more = {"args": tuple(args), "outputs": tuple(outputs), "parameters": dict(parameters)}
    if path.suffix.lower() in _DESCRIPTIONS:
        return _described(file, more, SubmitOptions.read(given), SubmitOptions.read({}, defaults))
    make = _notebook if path.suffix.lower() == NOTEBOOK else _script
    return make(file, more, SubmitOptions.read(given, defaults))


def changes(options: SubmitOptions) -> dict[str, Any]:
    """The fields of a spec that these options set, and no others."""
    source = validated(Source, kind="script", text="pass")
    spec = options.spec(source).model_dump(mode="json", exclude_unset=True)
    return {name: value for name, value in spec.items() if name != "source" and value not in ({}, None)}


def _script(file: _File, more: Mapping[str, Any], options: SubmitOptions) -> JobSpec:
    text = _read(file.path, file.spell)
    if file.ours and not options.python:
        _check_syntax(file, text)
    source = validated(Source, kind="script", text=text, name=str(file.path.absolute()))
    return options.spec(source, **more)


def _notebook(file: _File, more: Mapping[str, Any], options: SubmitOptions) -> JobSpec:
    if more["args"]:
        raise InvalidSpec.of("args", f"{file.path} is a notebook, which takes no arguments but parameters: NAME=VALUE")
    source = notebookfile.source(file.path, _read(file.path, file.spell))
    if file.ours and not options.python:
        notebookfile.check_syntax(file.path, source)
    return options.spec(source, **more, notebook=Notebook(path=source.name))


def _read(path: Path, spell: Spell) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = nearest(path.name, [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else [])
        command = spell(str(path).split() or [str(path)])
        raise InvalidSpec.of("script", f"no file {str(path)!r}.{near} A command is written: {command}") from None
    except UnicodeDecodeError:
        raise InvalidSpec.of("script", f"{path} is not text. Run a program with: {spell([str(path)])}") from None
    except OSError as error:
        raise InvalidSpec.of("script", f"{path}: {error.strerror}") from None


def _check_syntax(file: _File, text: str) -> None:
    """Refuse what this Python cannot compile, before it waits in a queue for that."""
    path = file.path
    if text.startswith("#!") and "python" not in text.partition("\n")[0]:
        run = file.spell([f"./{path.name}"])
        raise InvalidSpec.of("script", f"{path} is not a Python script. Run it with: {run}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the job will say them
            compile(text, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        where = f"{path}, line {line}" if line else str(path)
        raise InvalidSpec.of(
            "script", f"{where}: {getattr(error, 'msg', error) or type(error).__name__}. Nothing was submitted"
        ) from None


def _described(file: _File, more: Mapping[str, Any], given: SubmitOptions, defaults: SubmitOptions) -> JobSpec:
    """The job that the file describes; flags win over the file, the file over defaults."""
    raw = _load(file)
    merged = _over(_over(changes(defaults), raw), changes(given))
    source = merged.get("source")
    if more["args"]:
        _refuse_words(file, source, more["args"])
    merged |= {name: more[name] for name in ("args", "outputs") if more[name]}
    if more["parameters"]:
        # Whatever they are, they are values as a whole.
        merged["parameters"] = {**(merged.get("parameters") or {}), **more["parameters"]}
    if isinstance(source, dict) and source.get("kind") in ("script", "notebook"):
        merged["source"] = _read_source(source, file)
    if isinstance(source, dict) and source.get("kind") == "notebook":
        merged.setdefault("notebook", {"path": merged["source"].get("name", "")})
    spec: JobSpec = validated(JobSpec.model_validate, merged)
    return spec


def _refuse_words(file: _File, source: Any, words: Sequence[str]) -> None:
    """After ``--`` come the arguments of a script; a command has its words in the file."""
    if isinstance(source, dict) and source.get("kind") == "command":
        yours = file.spell(words)
        raise InvalidSpec.of(
            "args", f"{file.path} has a command of its own. Change its args there, or run yours: {yours}"
        )


def _load(file: _File) -> dict[str, Any]:
    path = file.path
    text = _read(path, file.spell)
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
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from None


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings in one, nested ones too; ``above`` wins."""
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _over(merged[name], value) if both else value
    return merged


def _read_source(source: dict[str, Any], description: _File) -> dict[str, Any]:
    """The source with the text of the file that it names; the path counts from the description's folder."""
    named = source.get("path") or (None if source.get("text") else source.get("name"))
    if not named:
        return source
    if source.get("text"):
        raise InvalidSpec.of("source", f"{description.path} has both a path and a text; leave one of them out")
    path = description.path.parent / str(named)
    text = _read(path, description.spell)
    rest = {name: value for name, value in source.items() if name != "path"}
    if source["kind"] == "notebook":
        text = notebookfile.source(path, text).text
    return {**rest, "text": text, "name": str(path.absolute())}
