"""What jobs of other controllers need of a shared store."""

from __future__ import annotations

import json

import pytest
from buckets import ADA, DAY, Controller, aged, digest_of

from qwex.controller.claims import INPUTS, VALUES
from qwex.errors import Damaged

pytestmark = pytest.mark.anyio

ONE, TWO, THREE = (digest_of(data) for data in (b"1", b"2", b"3"))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def here(folder):
    return Controller(folder, "here")


def ended(folder, run_id, *digests, **more):
    path = folder / "users" / "ada" / "jobs" / run_id / "manifest.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    inputs = [{"name": "x", "size": 1, "digest": digest} for digest in digests]
    path.write_text(json.dumps({"version": 2, "inputs": inputs, "values": [], **more}))


async def test_claims_and_manifests_say_what_is_needed(here, folder):
    await here.claims.write(ADA, "live", INPUTS, [ONE])
    await here.claims.write(ADA, "live", VALUES, [TWO])
    ended(folder, "ended", THREE)
    aged(folder, 100, INPUTS)
    needs = await here.claims.needs(ADA, ())
    assert needs.digests == {ONE, TWO, THREE}
    assert needs.unended == 1
    assert needs.since == (folder / "users/ada/jobs/live" / INPUTS).stat().st_mtime
    assert await here.claims.needs(ADA, {"live", "ended"}) == (set(), 0, None)
    assert await here.claims.needs("bob", ()) == (set(), 0, None)


async def test_a_manifest_says_all_that_claims_said_before(here, folder):
    await here.claims.write(ADA, "one", INPUTS, [ONE])
    ended(folder, "one", TWO)
    assert await here.claims.needs(ADA, ()) == ({TWO}, 0, None)
    await here.claims.drop(ADA, "one")
    await here.claims.drop(ADA, "one")
    assert sorted(path.name for path in (folder / "users/ada/jobs/one").iterdir()) == ["manifest.json"]


@pytest.mark.parametrize("ends", [True, False])
async def test_a_claim_that_goes_while_it_is_looked_for(here, folder, monkeypatch, ends):
    await here.claims.write(ADA, "one", INPUTS, [ONE])
    listed = here.artifacts.list

    async def and_then_gone(prefix=""):
        found = [each async for each in listed(prefix)]
        await here.claims.drop(ADA, "one")
        if ends:
            ended(folder, "one", TWO)
        for each in found:
            yield each

    monkeypatch.setattr(here.artifacts, "list", and_then_gone)
    assert (await here.claims.needs(ADA, ())).digests == ({TWO} if ends else set())


async def test_what_was_withdrawn_while_the_store_was_away_is_taken_back_much_later(here, folder):
    there = Controller(folder, "there")
    for controller, run_id in ((here, "withdrawn"), (here, "known"), (there, "anothers"), (here, "young")):
        await controller.claims.write(ADA, run_id, INPUTS, [ONE])
    await here.claims.write(ADA, "ended", INPUTS, [ONE])
    ended(folder, "ended", TWO)
    aged(folder, 8 * DAY)
    aged(folder / "users/ada/jobs/young", 6 * DAY)
    await here.sweep(ONE, TWO, known=("known",), dry_run=True)
    assert claimed(folder) == {"withdrawn", "known", "anothers", "young", "ended"}
    swept = await here.sweep(ONE, TWO, known=("known",))
    assert claimed(folder) == {"known", "anothers", "young", "ended"}
    assert swept.needs.unended == 2


def claimed(folder):
    return {path.parent.name for path in (folder / "users" / "ada" / "jobs").rglob(INPUTS)}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("manifest.json", "{", "is damaged"),
        ("manifest.json", "[]", "is damaged"),
        ("manifest.json", '{"version": 1}', "another version of qwex"),
        ("inputs.json", '{"version": 3}', "another version of qwex"),
        ("values.json", "\udcff", "is no text"),
    ],
)
async def test_what_cannot_be_read_is_not_taken_for_nothing(here, folder, name, text, why):
    ended(folder, "good", ONE)
    path = folder / "users" / "ada" / "jobs" / "bad" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(Damaged, match=f"jobs/bad/{name}.*{why}"):
        await here.claims.needs(ADA, ())
    assert (await here.claims.needs(ADA, {"bad"})).digests == {ONE}
