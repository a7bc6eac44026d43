"""``qwex config``: every setting, its value and where it came from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.cli import exits
from qwex.cli.command import JSON, Command, Given, Word
from qwex.cli.screen import note, print_json, safe
from qwex.cli.table import print_table
from qwex.config import FIELDS, config_file, load, masked
from qwex.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from qwex.config import Settings, Value

__all__ = ["COMMAND"]

#: The section that front ends read.
_SUBMIT = "submit"


class _Row(NamedTuple):
    setting: str
    value: Any
    origin: str
    help: str


def _run(given: Given) -> int:
    mine = load()
    # A controller of one's own is at home in its folder: what it reads is not what stands in a project.
    its = load(mine.folder)
    rows = _chosen([*_fields(mine, its), *_sections(mine, its)], given["names"])
    unread = sorted(_unread(mine, its))
    if given["json"]:
        print_json({"settings": [row._asdict() for row in rows], "file": str(config_file()), "not_read": unread})
        return exits.OK
    table = [(row.setting, _text(row.value), _short(row.origin), row.help) for row in rows]
    # There is room for what they are when only some are asked for.
    columns = 4 if given["names"] else 3
    print_table(("SETTING", "VALUE", "FROM", "")[:columns], [row[:columns] for row in table])
    _say_below(mine, unread)
    return exits.OK


def _say_below(mine: Settings, unread: Sequence[tuple[str, str]]) -> None:
    file = _short(str(config_file()))
    for name, origin in unread:
        note(safe(f"{_short(origin)} sets {name}, which only a controller reads: put it into {file}"))
    if mine.url:
        own = "those of a controller are what one of your own would read"
        note(safe(f"the controller at {masked('url', mine.url)} has settings of its own; {own}"), "dim")
    note(f"set them in {file}, in qwex.toml, or as QWEX_NAME", "dim")


def _fields(mine: Settings, its: Settings) -> Iterator[_Row]:
    for field in FIELDS:
        value, origin = (mine if field.scope == "client" else its).values[field.name]
        yield _Row(field.name, masked(field.name, value), origin, field.help)


def _sections(mine: Settings, its: Settings) -> Iterator[_Row]:
    """What was set in a section, and the rest of it with the defaults where its owner describes it."""
    models = _models(its)
    for name in sorted({*mine.sections, *its.sections, *models}):
        settings, model = mine if name == _SUBMIT else its, models.get(name)
        if model:
            settings.check(name, list(model.model_fields))
        # The defaults of a submission are what its flags say; here is only what was set.
        defaults = {} if name == _SUBMIT or model is None else model.model_fields
        given = settings.sections.get(name, {})
        for key in sorted({*given, *defaults}):
            yield from _entry(f"{name}.{key}", given.get(key), (model.model_fields if model else {}).get(key))


def _entry(name: str, given: Value | None, field: Any) -> Iterator[_Row]:
    help = field.description or "" if field else ""
    if given is None:
        yield _Row(name, field.get_default(call_default_factory=True), "default", help)
        return
    for inner, value in _flat(name, given.value):
        yield _Row(inner, value, given.origin, help)


def _models(settings: Settings) -> Mapping[str, type[BaseModel]]:
    """The sections that describe themselves: that of a submission, and those of the plugins installed here.

    An artifact store's is one of them once it is the one that ``artifacts`` names, or something of it is set.
    """
    from qwex import plugins
    from qwex.options import SubmitOptions

    found = plugins.load(settings.plugins)
    scheme = settings.artifacts.partition("://")[0]
    described = {name: noun.Settings for nouns in (found.backends, found.trackers) for name, noun in nouns}
    for name, store in found.artifact_stores:
        if scheme in store.schemes or name in settings.sections:
            described[name] = store.Settings
    return {_SUBMIT: SubmitOptions, **{name: model for name, model in described.items() if model}}


def _unread(mine: Settings, its: Settings) -> Iterator[tuple[str, str]]:
    """What stands in a project's file and only a controller reads: names and the file."""
    for field in FIELDS:
        if field.scope != "client" and mine.values[field.name].origin != its.values[field.name].origin:
            yield field.name, mine.values[field.name].origin
    for section, entries in mine.sections.items():
        for key, value in entries.items() if section != _SUBMIT else ():
            if value != its.sections.get(section, {}).get(key):
                yield f"{section}.{key}", value.origin


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """``local.queues.night.cpu`` from nested tables."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, masked(name, value)


def _chosen(rows: list[_Row], names: Sequence[str]) -> list[_Row]:
    known = [row.setting for row in rows]
    for name in names:
        if not any(_within(setting, name) for setting in known):
            sections = {setting.partition(".")[0] for setting in known}
            raise exits.UsageError(
                f"no setting {name!r}.{nearest(name, [*known, *sections])} See them all: qwex config"
            )
    return [row for row in rows if not names or any(_within(row.setting, name) for name in names)]


def _within(setting: str, name: str) -> bool:
    return setting == name or setting.startswith(f"{name}.")


def _text(value: Any) -> str:
    return "" if value is None or value == {} else str(value)


def _short(path: str) -> str:
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if path.startswith(home + os.sep) else path


COMMAND = Command(
    "show every setting, its value and where it came from",
    _run,
    (Word("names", "SETTING", "only these; local shows that whole section", required=False, many=True),),
    (JSON,),
)
