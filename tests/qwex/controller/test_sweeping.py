"""Which blobs go, and which never do."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from buckets import ADA, DAY, Controller, aged, digest_of
from hypothesis import given
from hypothesis import strategies as st

from qwex.artifacts import Stored
from qwex.controller import sweeping
from qwex.controller.blobs import key_of
from qwex.controller.claims import INPUTS
from qwex.controller.sweeping import decide
from qwex.errors import ArtifactsUnavailable, Conflict, Damaged

pytestmark = pytest.mark.anyio

DATA = b"some value"
DIGEST = digest_of(DATA)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def here(folder):
    return Controller(folder, "here")


@pytest.fixture
def there(folder):
    return Controller(folder, "there")


def forgets(controller):
    """As one that was started anew: nobody has asked it for anything."""
    controller.blobs.uses._last.clear()


async def a_day_passes(folder, *controllers):
    """All that is there, and all that was said of it, is a day older, and nobody has asked meanwhile."""
    for path in (folder / "users/ada/blobs").rglob("*"):
        os.utime(path, (path.stat().st_mtime - DAY,) * 2)
    for path in folder.rglob("garbage/*.json"):
        said = json.loads(path.read_text())
        blobs = {key: since - DAY for key, since in said["blobs"].items()}
        path.write_text(json.dumps({**said, "blobs": blobs}))
    for controller in controllers:
        forgets(controller)
        controller.blobs.garbage._seen.clear()


def of(key, age, size=1):
    return Stored(key, size, 1000.0 - age)


def test_where_nobody_else_can_name_it_what_is_unneeded_and_old_goes_at_once():
    blobs = [of("needed", 500), of("young", 5), of("old", 500), of("of no known age", 1000)]
    assert decide(blobs, {"needed"}, 1000.0, 10.0, None) == ([of("old", 500)], {})


def test_where_others_may_name_it_it_goes_once_that_was_said_for_long_enough():
    blobs = [of("never said", 500), of("said just now", 500), of("said long ago", 500), of("written anew", 20)]
    said = {"said just now": 995.0, "said long ago": 900.0, "written anew": 900.0, "needed since": 900.0, "gone": 1.0}
    blobs.append(of("needed since", 500))
    decision = decide(blobs, {"needed since"}, 1000.0, 10.0, said)
    assert decision.remove == [of("said long ago", 500)]
    assert decision.since == {
        "never said": 1000.0,
        "said just now": 995.0,
        "said long ago": 900.0,
        "written anew": 1000.0,
    }


def test_what_was_said_in_the_future_was_said_now():
    decision = decide([of("a", 500)], (), 1000.0, 10.0, {"a": 5000.0})
    assert decision == ([], {"a": 1000.0})


KEYS = st.sampled_from("abcdef")
TIMES = st.floats(0, 2000)


@given(st.dictionaries(KEYS, TIMES), st.sets(KEYS), st.one_of(st.none(), st.dictionaries(KEYS, TIMES)))
def test_nothing_that_is_needed_young_or_unsaid_is_ever_removed(written, needed, said):
    blobs = [Stored(key, 1, modified) for key, modified in written.items()]
    remove, since = decide(blobs, needed, 1000.0, 10.0, said)
    for blob in remove:
        assert blob.key not in needed
        assert blob.modified <= 990.0
        assert said is None or (blob.key in said and blob.modified < said[blob.key] <= 990.0)
    assert all(key not in needed and written[key] <= 990.0 and at <= 1000.0 for key, at in since.items())


async def test_a_folder_of_ones_own_is_swept_at_once(folder):
    own = Controller(folder, "", "file")
    needed, young = await own.put(b"needed"), await own.put(b"young")
    old = await own.put(DATA)
    for digest in (needed, old):
        aged(folder, 2 * sweeping.OWN_GRACE, digest.removeprefix("sha256:"))
    forgets(own)
    would = await own.sweep(needed, dry_run=True)
    assert (would.blobs, would.bytes, would.left) == (1, len(DATA), 2)
    assert await own.there(old)
    assert await own.sweep(needed) == would
    assert [await own.there(each) for each in (needed, young, old)] == [True, True, False]


@pytest.mark.parametrize("use", ["exists", "holds", "keeps", "size", "put"])
async def test_what_was_just_asked_for_stays(folder, use):
    own = Controller(folder, "", "file")
    await own.put(DATA)
    aged(folder, 2 * DAY)
    forgets(own)
    await (own.put(DATA) if use == "put" else getattr(own.blobs, use)(ADA, DIGEST))
    assert (await own.sweep(dry_run=True)).blobs == 0
    assert (await own.sweep()).blobs == 0
    assert await own.there(DIGEST)


async def test_another_users_blobs_are_left_alone(folder):
    own = Controller(folder, "", "file")
    await own.put(DATA)
    aged(folder, 2 * DAY)
    forgets(own)
    assert await own.sweeping.sweep("bob", (), (), dry_run=False) == (0, 0, 0, 0, (set(), 0, None))
    assert await own.there(DIGEST)


async def test_who_asks_while_it_is_removed_is_told_that_it_is_not_there(folder, monkeypatch):
    own = Controller(folder, "", "file")
    await own.put(DATA)
    aged(folder, 2 * DAY)
    forgets(own)
    deleted, asked = own.artifacts.delete, []

    async def delete(keys):
        asked.append(asyncio.create_task(own.blobs.holds(ADA, DIGEST)))
        await asyncio.sleep(0)
        await deleted(keys)

    monkeypatch.setattr(own.artifacts, "delete", delete)
    assert (await own.sweep()).blobs == 1
    assert await asked[0] is False


async def test_a_folder_that_others_use_is_not_swept(folder):
    here, there = Controller(folder, "here", "file"), Controller(folder, "there", "file")
    await here.put(DATA)
    aged(folder, 2 * DAY)
    forgets(here)
    assert not await there.blobs.exists("bob", DIGEST)
    with pytest.raises(Conflict, match=r"other controllers keep blobs in file:///.*controllers/there"):
        await here.sweep()
    assert await here.there(DIGEST)
    (folder / "controllers" / "there").unlink()
    assert (await here.sweep()).blobs == 1


async def test_in_a_bucket_it_is_said_first_and_removed_a_day_later(here, folder):
    await here.put(DATA)
    aged(folder, 2 * DAY)
    forgets(here)
    assert (await here.sweep(dry_run=True)).waiting == 1
    assert not (folder / "users/ada/garbage").exists()
    for _ in range(2):
        swept = await here.sweep()
        assert (swept.blobs, swept.waiting, swept.left) == (0, 1, 1)
    await a_day_passes(folder, here)
    assert (await here.sweep(dry_run=True)).blobs == 1
    assert await here.there(DIGEST)
    swept = await here.sweep()
    assert (swept.blobs, swept.bytes, swept.waiting, swept.left) == (1, len(DATA), 0, 0)
    assert not await here.there(DIGEST)
    assert [path for path in folder.rglob("*") if path.is_file()] == []


async def test_in_a_bucket_what_was_asked_for_is_not_said_to_go(here, folder):
    await here.put(DATA)
    aged(folder, 2 * DAY)
    forgets(here)
    assert (await here.sweep()).waiting == 1
    assert await here.blobs.exists(ADA, DIGEST)
    assert (await here.sweep()).waiting == 0


async def test_a_job_of_another_controller_keeps_what_it_needs(here, there, folder):
    await there.put(DATA)
    aged(folder, 2 * DAY)
    await here.sweep()
    await there.claims.write(ADA, "theirs", INPUTS, [DIGEST])
    await a_day_passes(folder, here)
    swept = await here.sweep()
    assert (swept.blobs, swept.waiting, swept.needs.unended) == (0, 0, 1)
    assert await here.there(DIGEST)
    await there.claims.drop(ADA, "theirs")
    await here.sweep()
    assert await here.there(DIGEST)  # it is said anew for a day
    await a_day_passes(folder, here)
    assert (await here.sweep()).blobs == 1


async def test_what_was_written_anew_since_it_was_said_stays(here, there, folder):
    await there.put(DATA)
    aged(folder, 2 * DAY)
    await here.sweep()
    await a_day_passes(folder, here, there)
    assert not await there.blobs.holds(ADA, DIGEST)
    await there.put(DATA)
    swept = await here.sweep()
    assert (swept.blobs, swept.waiting, await here.there(DIGEST)) == (0, 0, True)


async def test_what_is_written_anew_at_the_last_moment_stays(here, there, folder, monkeypatch):
    await there.put(DATA)
    aged(folder, 2 * DAY)
    await here.sweep()
    await a_day_passes(folder, here, there)
    removing = here.blobs.garbage.removing

    def late(home, keys):
        (folder / key_of(ADA, DIGEST)).touch()
        return removing(home, keys)

    monkeypatch.setattr(here.blobs.garbage, "removing", late)
    assert (await here.sweep()).blobs == 0
    assert await here.there(DIGEST)


async def test_two_that_sweep_at_once_harm_nothing(here, there, folder):
    needed = await here.put(b"needed")
    await here.put(DATA)
    await there.claims.write(ADA, "theirs", INPUTS, [needed])
    aged(folder, 2 * DAY)
    forgets(here)
    await asyncio.gather(here.sweep(), there.sweep(known=("theirs",)), there.sweep(needed))
    await a_day_passes(folder, here, there)
    await asyncio.gather(here.sweep(), there.sweep(needed, known=("theirs",)))
    assert (await here.there(needed), await here.there(DIGEST)) == (True, False)


async def test_what_cannot_be_told_stops_it(here, there, folder):
    await there.put(DATA)
    aged(folder, 2 * DAY)
    await here.sweep()
    await a_day_passes(folder, here)
    manifest = folder / "users/ada/jobs/theirs/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"version": 2, "inputs": [')
    with pytest.raises(Damaged, match=r"theirs/manifest.json .* is damaged"):
        await here.sweep()
    assert await here.there(DIGEST)


async def test_a_store_that_goes_in_the_middle_stops_it(here, there, folder, monkeypatch):
    await there.claims.write(ADA, "theirs", INPUTS, [await there.put(DATA)])
    aged(folder, 2 * DAY)
    await here.sweep()
    await a_day_passes(folder, here)

    async def away(key, start=0):
        if key.endswith(INPUTS):
            raise ArtifactsUnavailable("it is away")
        async for chunk in got(key, start):
            yield chunk

    got = here.artifacts.get
    monkeypatch.setattr(here.artifacts, "get", away)
    with pytest.raises(ArtifactsUnavailable):
        await here.sweep()
    assert await here.there(DIGEST)


class Killed(BaseException):
    pass


async def test_a_sweep_that_is_killed_is_finished_by_the_next(here, folder, monkeypatch):
    monkeypatch.setattr(sweeping, "_MANY", 1)
    for data in (b"1", b"2", b"3"):
        await here.put(data)
    aged(folder, 2 * DAY)
    forgets(here)
    await here.sweep()
    await a_day_passes(folder, here)
    deleted, left = here.artifacts.delete, [2]

    async def delete(keys):
        if not left[0]:
            raise Killed
        left[0] -= any("/blobs/" in key for key in keys)
        await deleted(keys)

    with monkeypatch.context() as patch:
        patch.setattr(here.artifacts, "delete", delete)
        with pytest.raises(Killed):
            await here.sweep()
    assert len([path for path in (folder / "users/ada/blobs").rglob("*") if path.is_file()]) == 1
    assert (await here.sweep()).blobs == 1
