"""Commands of ``%qwex`` that need no kernel."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import qwex.client
from qwex.client.job import AsyncJobs
from qwex.client.show import Gpus
from qwex.client.sync import Jobs
from qwex.gpus import GpuKind, GpuReport
from qwex_magics import commands


def test_list_shows_the_jobs_of_other_controllers_too(shell, record, monkeypatch):
    asked = {}
    theirs = [replace(record, id=f"train-{n}", user="ada", message="waits") for n in range(3)]
    client = SimpleNamespace(elsewhere=lambda **filters: asked.update(filters) or theirs)
    monkeypatch.setattr(commands, "client", lambda: client)
    monkeypatch.setattr(qwex.client, "jobs", lambda **_: Jobs(AsyncJobs([])))
    shown = commands.run(shell, "list --status queued --name train --limit 2")
    assert asked == {"state": ["QUEUED"], "name": "train"}
    below = repr(shown).partition("looked after by other controllers, 2 of 3:\n")[2].splitlines()
    assert [line.split()[0] for line in below] == ["id", "train-0", "train-1"]
    assert [line.split()[-2:] for line in below[1:]] == [["ada", "waits"]] * 2
    assert "looked after by other controllers, 2 of 3:" in shown._repr_html_()


def test_gpus_are_a_table_with_a_text_for_those_who_show_no_html(shell, monkeypatch):
    found = Gpus({"local": GpuReport((GpuKind("local", "A100", "A100", total=2, free=1),))})
    monkeypatch.setattr(commands, "client", lambda: SimpleNamespace(gpus=lambda: found))
    shown = commands.run(shell, "gpus")
    assert "<table" in shown._repr_html_()
    assert repr(shown).splitlines()[1].startswith("A100")
