"""``qwex config``: every setting, its value and where it came from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.cli import exits
from qwex.cli.command import JSON, Command, Given, Word
from qwex.cli.screen import note, print_json
from qwex.cli.table import print_table
from qwex.config import FIELDS, config_file, load, masked
from qwex.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qwex.config import Settings

__all__ = ["COMMAND"]


class _Row(NamedTuple):
    setting: str
    value: Any
    origin: str
    help: str


def _run(given: Given) -> int:
    rows = _chosen(list(_rows(load())), given["names"])
    if given["json"]:
        print_json({"settings": [row._asdict() for row in rows], "file": str(config_file())})
        return exits.OK
    table = [(row.setting, str(row.value), _short(row.origin), row.help) for row in rows]
    # There is room for what they are when only some are asked for.
    columns = 4 if given["names"] else 3
    print_table(("SETTING", "VALUE", "FROM", "")[:columns], [row[:columns] for row in table])
    note(f"set them in {_short(str(config_file()))}, in qwex.toml, or as QWEX_NAME", "dim")
    return exits.OK


def _rows(settings: Settings) -> Iterator[_Row]:
    for field in FIELDS:
        value, origin = settings.values[field.name]
        yield _Row(field.name, masked(field.name, value), origin, field.help)
    for section, entries in sorted(settings.sections.items()):
        for key, (value, origin) in sorted(entries.items()):
            yield from (_Row(name, inner, origin, "") for name, inner in _flat(f"{section}.{key}", value))


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
            raise exits.UsageError(f"no setting {name!r}.{nearest(name, known)} See them all: qwex config")
    return [row for row in rows if not names or any(_within(row.setting, name) for name in names)]


def _within(setting: str, name: str) -> bool:
    return setting == name or setting.startswith(f"{name}.")


def _short(path: str) -> str:
    home = os.path.expanduser("~")
    return f"~{path[len(home) :]}" if path.startswith(home + os.sep) else path


COMMAND = Command(
    "show every setting, its value and where it came from",
    _run,
    (Word("names", "SETTING", "only these; local shows that whole section", required=False, many=True),),
    (JSON,),
)
