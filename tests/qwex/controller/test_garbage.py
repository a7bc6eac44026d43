"""What controllers tell each other of what they are going to remove."""

from __future__ import annotations

import pytest
from buckets import ADA, DAY, Controller, aged, digest_of

from qwex.controller import garbage
from qwex.controller.blobs import key_of
from qwex.errors import ArtifactsUnavailable, Damaged

pytestmark = pytest.mark.anyio

DATA = b"some value"
DIGEST = digest_of(DATA)
KEY = key_of(ADA, DIGEST)
HOME = "users/ada"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(garbage, "_FRESH", 0.0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def here(folder):
    return Controller(folder, "here")


@pytest.fixture
def there(folder):
    return Controller(folder, "there")


async def test_what_another_is_going_to_remove_counts_as_gone_until_it_is_written_anew(here, there, folder):
    await here.put(DATA)
    aged(folder, 2 * DAY)
    _, now = await there.blobs.garbage.mine(HOME)
    await there.blobs.garbage.say(HOME, {KEY: now})
    assert await here.blobs.exists(ADA, DIGEST)
    assert not await here.blobs.holds(ADA, DIGEST)
    await here.put(DATA)
    assert (folder / KEY).stat().st_mtime >= now
    assert await here.blobs.holds(ADA, DIGEST)


async def test_a_job_that_is_started_again_has_its_input_written_anew(here, there, folder):
    await here.put(DATA)
    aged(folder, 2 * DAY)
    _, now = await there.blobs.garbage.mine(HOME)
    await there.blobs.garbage.say(HOME, {KEY: now})
    await here.blobs.url(ADA, DIGEST, 60)
    assert (folder / KEY).stat().st_mtime >= now
    assert (folder / KEY).read_bytes() == DATA


@pytest.mark.parametrize("use", ["keeps", "size"])
async def test_a_value_that_nobody_could_send_again_is_written_anew(here, there, folder, use):
    await here.put(DATA)
    aged(folder, 2 * DAY)
    _, now = await there.blobs.garbage.mine(HOME)
    await there.blobs.garbage.say(HOME, {KEY: now})
    assert await getattr(here.blobs, use)(ADA, DIGEST) in (True, len(DATA))
    assert (folder / KEY).stat().st_mtime >= now


async def test_what_is_said_is_looked_at_now_and_then(here, there, folder, monkeypatch):
    monkeypatch.setattr(garbage, "_FRESH", 1000.0)
    await here.put(DATA)
    aged(folder, 2 * DAY)
    assert await here.blobs.holds(ADA, DIGEST)
    _, now = await there.blobs.garbage.mine(HOME)
    await there.blobs.garbage.say(HOME, {KEY: now})
    assert await here.blobs.holds(ADA, DIGEST)
    monkeypatch.setattr(garbage, "_FRESH", 0.0)
    assert not await here.blobs.holds(ADA, DIGEST)
    await there.blobs.garbage.say(HOME, {})
    assert await here.blobs.holds(ADA, DIGEST)


async def test_who_writes_what_is_being_removed_is_told(here, there, folder):
    await here.put(DATA)
    aged(folder, 2 * DAY)
    _, now = await there.blobs.garbage.mine(HOME)
    await there.blobs.garbage.say(HOME, {KEY: now})
    async with there.blobs.garbage.removing(HOME, [KEY]):
        with pytest.raises(ArtifactsUnavailable, match=r"just being removed.*try again in a few minutes"):
            await here.put(DATA)
        # It has been written anew by now, which the one who removes may not have seen.
        for use in (here.blobs.keeps, here.blobs.holds, here.blobs.size):
            with pytest.raises(ArtifactsUnavailable, match="just being removed"):
                await use(ADA, DIGEST)
    await here.put(DATA)
    assert await here.blobs.holds(ADA, DIGEST)


async def test_what_was_removed_after_it_was_written_is_no_success(here, there, folder, monkeypatch):
    _, now = await there.blobs.garbage.mine(HOME)
    await there.blobs.garbage.say(HOME, {KEY: now + 1})
    written = here.artifacts.put

    async def put(key, chunks, *, replace=False):
        done = await written(key, chunks, replace=replace)
        (folder / KEY).unlink()
        return done

    monkeypatch.setattr(here.artifacts, "put", put)
    with pytest.raises(ArtifactsUnavailable, match="just being removed"):
        await here.put(DATA)


async def test_a_removal_that_was_killed_long_ago_is_none(here, there, folder):
    await here.put(DATA)
    _, now = await there.blobs.garbage.mine(HOME)
    await there.blobs.garbage.say(HOME, {KEY: now + 1})
    await there.artifacts.close()
    removal = there.blobs.garbage.removing(HOME, [KEY])
    await removal.__aenter__()
    aged(folder, garbage._LASTING + 1, "there-*.json")
    await here.put(DATA)
    await here.blobs.garbage.tidy(HOME, now)
    assert list((folder / HOME / "removing").iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1, "blobs": {"a": "b"}}'])
async def test_what_cannot_be_read_says_nothing(here, folder, text):
    await here.put(DATA)
    said = folder / HOME / "garbage" / "there.json"
    said.parent.mkdir(parents=True)
    said.write_text(text)
    assert await here.blobs.holds(ADA, DIGEST)


async def test_a_damaged_blob_that_another_is_going_to_remove_is_there_once_it_was_sent_again(here, there, folder):
    await here.put(DATA)
    (folder / KEY).write_bytes(b"others")
    with pytest.raises(Damaged):
        [chunk async for chunk in here.blobs.get(ADA, DIGEST)]
    aged(folder, 2 * DAY)
    _, now = await there.blobs.garbage.mine(HOME)
    await there.blobs.garbage.say(HOME, {KEY: now})
    await here.put(DATA)
    assert await here.blobs.holds(ADA, DIGEST)


@pytest.mark.parametrize("place", ["garbage", "removing"])
async def test_what_another_version_has_written_is_not_taken_for_nothing(here, there, folder, place):
    await here.put(DATA)
    _, now = await there.blobs.garbage.mine(HOME)
    await there.blobs.garbage.say(HOME, {KEY: now - 1})
    said = folder / HOME / place / "newer.json"
    said.parent.mkdir(parents=True, exist_ok=True)
    said.write_text('{"version": 2, "blobs": []}')
    with pytest.raises(ArtifactsUnavailable, match="another version of qwex"):
        await here.blobs.holds(ADA, DIGEST)


async def test_a_removal_that_was_broken_off_may_be_under_way_still(here, there, folder):
    await here.put(DATA)
    with pytest.raises(ArtifactsUnavailable, match="too long"):
        async with there.blobs.garbage.removing(HOME, [KEY]):
            raise ArtifactsUnavailable("it takes too long")
    with pytest.raises(ArtifactsUnavailable, match="just being removed"):
        await here.blobs.garbage.outlived(HOME, KEY)
    aged(folder, garbage._LASTING + 1, "there-*.json")
    await here.blobs.garbage.outlived(HOME, KEY)
