"""``qwex artifacts``: the files that a job has left in ``QWEX_FILES``, and those that were added to them."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from qwex.cli import exits
from qwex.cli.command import JSON, Command, Flag, Given, Group, Word
from qwex.cli.connect import client
from qwex.cli.screen import note, print_json, say
from qwex.cli.table import print_table
from qwex.client.files import place
from qwex.errors import InvalidSpec, NotFound
from qwex.quantities import format_bytes

if TYPE_CHECKING:
    from qwex.client.files import Files

__all__ = ["COMMAND"]

_ID = Word("id", "ID", "the job", complete="job")


def _list(given: Given) -> int:
    files = client().job(given["id"]).files
    if given["json"]:
        known = [{"path": each.path, "size": each.size, "digest": each.digest} for each in files.values()]
        print_json({"files": known})
    elif files:
        print_table(("SIZE", "FILE"), [(format_bytes(each.size), each.path) for each in files.values()])
    else:
        note(f"{given['id']} has left no files. A job leaves those that it writes into the folder $QWEX_FILES")
    return exits.OK


def _get(given: Given) -> int:
    files = client().job(given["id"]).files
    if not files:
        raise NotFound(f"{given['id']} has left no files")
    folder = Path(given["to"] or given["id"])
    for path in _chosen(files, given["paths"]):
        target = place(folder, path)
        if target.exists() and not given["force"]:
            raise InvalidSpec.of("to", f"{target} is there already; name another folder, or use --force")
        say(str(files[path].save(target)))
    return exits.OK


def _put(given: Given) -> int:
    paths = [Path(each) for each in given["files"]]
    if given["name"] and (len(paths) > 1 or paths[0].is_dir()):
        raise InvalidSpec.of("as", "--as names one file; of several, and in folders, each keeps its name")
    job = client().job(given["id"])
    for path in paths:
        for file, name in _within(path):
            say(job.add_file(file, given["name"] or name).path)
    return exits.OK


def _within(path: Path) -> list[tuple[Path, str]]:
    """The file, or those of the folder, and what each is called."""
    if not path.is_dir():
        return [(path, path.name)]
    top = path.resolve()
    files = [each for each in sorted(top.rglob("*")) if each.is_file()]
    return [(each, f"{top.name}/{each.relative_to(top).as_posix()}") for each in files]


def _chosen(files: Files, patterns: tuple[str, ...]) -> list[str]:
    """Their paths; a pattern that fits none is looked up as it stands, which says what there is.

    Raises:
        NotFound: there is no such file.
    """
    if not patterns:
        return list(files)
    found: dict[str, None] = {}
    for pattern in patterns:
        matching = fnmatch.filter(files, pattern)
        found.update(dict.fromkeys(matching or [files[pattern].path]))
    return list(found)


COMMAND = Group(
    "the files that a job has left in $QWEX_FILES",
    {
        "ls": Command("list them", _list, (_ID,), (JSON,), examples=("qwex artifacts ls train-7k3f9q",)),
        "put": Command(
            "add files to what an ended job has left",
            _put,
            (_ID, Word("files", "FILE", "files, and folders with all that is in them", many=True)),
            (Flag("name", "--as", "what it is called there", "", str, metavar="PATH"),),
            examples=(
                "qwex artifacts put train-7k3f9q report.html",
                "qwex artifacts put train-7k3f9q b.pt --as best.pt",
            ),
        ),
        "get": Command(
            "fetch them into a folder",
            _get,
            (_ID, Word("paths", "PATH", "which: paths or patterns (default all)", required=False, many=True)),
            (
                Flag("to", "--to", "the folder (default ID, here)", "-o", str, metavar="FOLDER"),
                Flag("force", "--force", "write over files that are there", "-f"),
            ),
            examples=("qwex artifacts get train-7k3f9q", "qwex artifacts get train-7k3f9q '*.pt' --to models"),
        ),
    },
)
