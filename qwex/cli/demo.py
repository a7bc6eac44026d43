"""``qwex demo``: run the first notebook, show what happens in it, and say where to look."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import qwex
from qwex.cli import exits
from qwex.cli.command import JSON, Command, Flag, Given
from qwex.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from qwex.cli.walkthrough import Walkthrough
    from qwex.client import Client
    from qwex.record import JobRecord

__all__ = ["COMMAND"]

_NOTEBOOK = "01_first_job.ipynb"
#: Seconds that trackers have for what they were not told yet.
_RECORDED = 30.0
#: What the notebook and its execution import, and the names they are installed by.
_NEEDS = {
    "IPython": "ipython",
    "ipykernel": "ipykernel",
    "matplotlib": "matplotlib",
    "nbclient": "nbclient",
    "nbformat": "nbformat",
    "sklearn": "scikit-learn",
}


def _run(given: Given) -> int:
    source = _notebook()
    _check()
    from qwex import config
    from qwex.cli.connect import client, health
    from qwex.cli.screen import print_json
    from qwex.cli.walkthrough import Walkthrough

    folder = Path(given["out"] or config.load().folder / "demo").expanduser().absolute()
    started_here = health() is None
    since = time.time()
    walkthrough = Walkthrough(source, folder, quiet=given["json"])
    ended_well = walkthrough.run()
    jobs = client().list(since=since, limit=100).records
    _until_recorded(client())
    if given["json"]:
        print_json({"notebook": str(walkthrough.result), "ok": ended_well, "jobs": [job.as_dict() for job in jobs]})
    else:
        _sum_up(walkthrough, jobs)
    if started_here:
        _leave_nothing_running()
    return exits.OK if ended_well else exits.FAILED


def _notebook() -> Path:
    """The notebook, in an installed package or in a clone of the repository."""
    here = Path(qwex.__file__).parent
    places = (here / "notebooks" / _NOTEBOOK, here.parent / "notebooks" / _NOTEBOOK)
    for place in places:
        if place.is_file():
            return place
    raise NotFound(f"the notebook {_NOTEBOOK} is in neither {places[0].parent} nor {places[1].parent}")


def _check() -> None:
    missing = [name for module, name in _NEEDS.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigError(f"the demo also needs {', '.join(missing)}: pip install 'qwex[demo]'")


def _until_recorded(client: Client) -> None:
    """Give trackers a moment for what they were not told yet; the rest they are told after the next start."""
    give_up = time.monotonic() + _RECORDED
    while any(each.waiting and not each.problem for each in client.trackers()) and time.monotonic() < give_up:
        time.sleep(0.2)


def _leave_nothing_running() -> None:
    """The jobs are kept; the next command starts the controller again."""
    from qwex import config
    from qwex.cli.connect import health
    from qwex.client import daemon

    found = health()
    if found and not config.load().url:
        daemon.end(config.load().folder, int(found["pid"]))


def _sum_up(walkthrough: Walkthrough, jobs: list[JobRecord]) -> None:
    from qwex.cli import describe
    from qwex.cli.screen import say

    say(f"\nIts {len(jobs)} jobs, in the order they were submitted", "bold")
    for record in reversed(jobs):
        say(f"  {describe.headline(record)}", describe.STYLES[record.state])
    say("\nWhere to look", "bold")
    say(f"  the notebook, with all its output  {walkthrough.result}")
    say(f"  its {len(walkthrough.figures)} figures                      {walkthrough.result.parent}")
    say("  the same jobs in the terminal      qwex list")
    if importlib.util.find_spec("mlflow"):
        say("  the same jobs in MLflow            qwex mlflow ui")
    if shutil.which("qwex") is None:
        say(f"  (after: source {Path(sys.prefix) / 'bin' / 'activate'})", "dim")
    say("\nOpen it in JupyterLab, and run the cells yourself", "bold")
    if importlib.util.find_spec("jupyterlab") is None:
        say("  pip install jupyterlab")
    say(f"  jupyter lab {walkthrough.result}")


COMMAND = Command(
    "run the first notebook: cells become jobs and come back",
    _run,
    flags=(
        Flag(
            "out",
            "--out",
            "folder for the executed notebook (default: demo in qwex's home)",
            "-o",
            str,
            metavar="FOLDER",
        ),
        JSON,
    ),
)
