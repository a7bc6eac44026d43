"""``qwex list``: the section of jobs that other controllers look after."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from qwex.cli import list as listing
from qwex.client.api import Page
from qwex.record import JobRecord
from qwex.state import JobState

OTHERS = [
    JobRecord(
        f"train-{n}", "train", "ada", "", JobState.FAILED, "kueue", 9.0, queue="gpu", ended_at=10.0, message="why"
    )
    for n in range(3)
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the client was asked for; it has no jobs of its own and three of others."""
    asked: dict[str, Any] = {}
    client = SimpleNamespace(
        list=lambda **_: Page([], None, 0), elsewhere=lambda **filters: asked.update(filters) or OTHERS
    )
    monkeypatch.setattr(listing, "client", lambda: client)
    return asked


def run(**given: Any) -> int:
    nothing = dict.fromkeys(("user", "queue", "name", "where", "limit"))
    return listing.COMMAND.run({**nothing, "state": (), "all": False, "json": False, **given})


def test_the_jobs_of_others_are_as_many_as_asked_for(asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run(limit=2)
    out, err = capsys.readouterr()
    assert err == "looked after by other controllers, 2 of 3:\n"
    heading, *rows = out.splitlines()
    assert heading.split() == ["ID", "STATE", "QUEUE", "AGE", "RAN", "USER"]
    assert [(row.split()[0], row.split()[-2:]) for row in rows] == [(each.id, ["ada", "why"]) for each in OTHERS[:2]]
    run(all=True)
    assert capsys.readouterr().err == "looked after by other controllers:\n"
    run(limit=1, json=True)
    assert [each["id"] for each in json.loads(capsys.readouterr().out)["elsewhere"]] == ["train-0"]


def test_they_are_filtered_as_ones_own(asked: dict[str, Any]) -> None:
    run(user="me", state=("failed",), queue="gpu", name="train")
    assert asked == {"user": "me", "state": ["FAILED"], "queue": "gpu", "name": "train"}


def test_the_backend_is_shown_where_there_are_several(
    asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = JobRecord("here-1", "here", "me", "", JobState.RUNNING, "local", 9.0, queue="default")
    client = SimpleNamespace(list=lambda **_: Page([mine], None, 1), elsewhere=lambda **_: OTHERS)
    monkeypatch.setattr(listing, "client", lambda: client)
    run()
    heading, row, other, *_ = capsys.readouterr().out.splitlines()
    assert heading.split() == ["ID", "STATE", "QUEUE", "BACKEND", "AGE", "RAN"]
    assert (row.split()[:4], "QUEUE  BACKEND" in other) == (["here-1", "RUNNING", "default", "local"], True)
