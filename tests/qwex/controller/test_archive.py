"""What a job leaves in a shared store, and says there that it needs."""

from __future__ import annotations

import asyncio
import json

import pytest
from asked import ME
from buckets import digest_of

from qwex.controller.claims import INPUTS, MANIFEST, VALUES, folder_of
from qwex.errors import ArtifactsUnavailable, InvalidSpec, NotFound

pytestmark = pytest.mark.anyio

DATA = b"some value" * 100
DIGEST = digest_of(DATA)
INPUT = {"source": {"kind": "cell", "text": "x"}, "inputs": {"x": {"digest": DIGEST, "size": len(DATA)}}}


async def chunks():
    yield DATA


@pytest.fixture
def staged(stage, tmp_path):
    return stage(plugins="scripted,qwex_s3", artifacts=f"memory://{tmp_path.name}")


def names(run_id, *its):
    return {f"{folder_of(ME.user, run_id)}/{name}" for name in its}


async def listed(it):
    return {each.key async for each in it.service._parts.artifacts.list(f"users/{ME.user}/jobs")}


async def read(it, run_id, name):
    (key,) = names(run_id, name)
    return json.loads(b"".join([chunk async for chunk in it.service._parts.artifacts.get(key)]))


async def until(it, *wanted):
    for _ in range(2000):
        if await listed(it) == set().union(*wanted):
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"there is {await listed(it)}")


@pytest.fixture(autouse=True)
def addresses(monkeypatch):
    """A place in memory has none to read from."""

    async def url(self, key, seconds, method="GET"):
        return f"https://bucket/{key}" if method == "GET" else None

    monkeypatch.setattr("qwex_s3.fsspecstore.FsspecStore.url", url)


async def test_a_job_says_what_it_needs_until_its_manifest_does(staged):
    async with staged as it:
        await it.service.put_blob(DIGEST, chunks(), ME)
        await it.submit("one", **INPUT)
        await it.submit("without")
        await until(it, names("one", INPUTS))
        assert (await read(it, "one", INPUTS))["blobs"] == [DIGEST]
        await it.run("one", "a\n")
        await until(it, names("one", "events.jsonl", MANIFEST))
        manifest = await read(it, "one", MANIFEST)
        assert manifest["inputs"] == [{"name": "x", "size": len(DATA), "digest": DIGEST}]
        assert manifest["state"] == "SUCCEEDED"


async def test_a_job_that_is_refused_after_all_needs_nothing(staged, monkeypatch):
    async with staged as it:
        await it.service.put_blob(DIGEST, chunks(), ME)
        (it.home / "scripted" / "refuses").touch()
        submit = type(await it.service._parts.backends.get(None)).submit

        async def later(self, request):
            await until(it, names("one", INPUTS))
            return await submit(self, request)

        monkeypatch.setattr("scripted.ScriptedBackend.submit", later)
        with pytest.raises(InvalidSpec, match="refused after all"):
            await it.submit("one", "refused", **INPUT)
        assert await listed(it) == set()
        with pytest.raises(NotFound):
            await it.service.get("one")


async def test_what_was_kept_of_a_jobs_values_is_said_before_its_place_lets_go(staged, monkeypatch):
    monkeypatch.setenv("QWEX_DEFAULT_BACKEND", "fleeting")
    async with staged as it:
        artifacts = it.service._parts.artifacts
        put, away = artifacts.put, [True]

        async def without_manifests(key, chunks, *, replace=False):
            if key.endswith(MANIFEST) and away[0]:
                raise ArtifactsUnavailable("it is full")
            return await put(key, chunks, replace=replace)

        monkeypatch.setattr(artifacts, "put", without_manifests)
        await it.submit("one", outputs=("y",))
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        (script.folder / "value-y").write_bytes(DATA)
        script.record("value", name="y", type_name="bytes", format="bytes", python="3", size=len(DATA), digest=DIGEST)
        script.finish()
        await it.until("one", "SUCCEEDED")
        await until(it, names("one", "events.jsonl", VALUES))
        assert (await read(it, "one", VALUES))["blobs"] == [DIGEST]
        away[0] = False
        await until(it, names("one", "events.jsonl", MANIFEST))


async def test_a_job_that_is_removed_leaves_nothing(staged):
    async with staged as it:
        await it.service.put_blob(DIGEST, chunks(), ME)
        await it.submit("one", **INPUT)
        await it.run("one", "a\n")
        await until(it, names("one", "events.jsonl", MANIFEST))
        for _ in range(2000):
            if (await it.service.collect(ME, 0.001, dry_run=False)).jobs:
                break
            await asyncio.sleep(0.005)
        assert await listed(it) == set()


async def test_a_job_stays_of_which_an_added_file_is_not_stored_yet(staged, monkeypatch):
    async with staged as it:
        await it.submit("one")
        await it.run("one", "a\n")
        await until(it, names("one", "events.jsonl", MANIFEST))
        artifacts = it.service._parts.artifacts
        put, away = artifacts.put, [True]

        async def without_manifests(key, chunks, *, replace=False):
            if key.endswith(MANIFEST) and away[0]:
                raise ArtifactsUnavailable("it is full")
            return await put(key, chunks, replace=replace)

        monkeypatch.setattr(artifacts, "put", without_manifests)
        await it.service.put_blob(DIGEST, chunks(), ME)
        await it.service.add_file("one", "report.html", DIGEST, ME)
        done = await it.service.collect(ME, 0.001, dry_run=False)
        assert (done.jobs, [each.jobs for each in done.stay]) == (0, [1])
        away[0] = False
        for _ in range(2000):
            if (await it.service.collect(ME, 0.001, dry_run=False)).jobs:
                break
            await asyncio.sleep(0.005)
        assert await listed(it) == set()


async def test_a_file_is_added_to_a_job_or_the_job_goes(staged, monkeypatch):
    async with staged as it:
        await it.service.put_blob(DIGEST, chunks(), ME)
        await it.submit("one")
        await it.run("one", "a\n")
        await until(it, names("one", "events.jsonl", MANIFEST))
        parts = it.service._parts
        while (await it.service.collect(ME, 0.001, dry_run=True)).jobs == 0:
            await asyncio.sleep(0.005)
        async with parts.adding.changing:
            collecting = asyncio.create_task(it.service.collect(ME, 0.001, dry_run=False))
            adding = asyncio.create_task(it.service.add_file("one", "report.html", DIGEST, ME))
            while not parts.collecting.is_busy:
                await asyncio.sleep(0)
        outcome = await asyncio.gather(collecting, adding, return_exceptions=True)
        kept = not isinstance(outcome[1], NotFound)
        assert outcome[0].jobs == (0 if kept else 1)
        assert parts.logs.path("one").exists() == kept


async def test_what_nobody_came_for_goes_with_its_job(staged):
    async with staged as it:
        await it.submit("one")
        await it.run("one", "a\n")
        await until(it, names("one", "events.jsonl", MANIFEST))
        (parcel,) = names("one", "parcel-1-2")
        await it.service._parts.artifacts.put(parcel, chunks())
        while (await it.service.collect(ME, 0.001, dry_run=False)).jobs == 0:
            await asyncio.sleep(0.005)
        assert await listed(it) == set()


async def test_a_job_stays_that_the_store_does_not_let_go_of(staged, monkeypatch):
    async with staged as it:
        await it.submit("one")
        await it.run("one", "a\n")
        await until(it, names("one", "events.jsonl", MANIFEST))
        while (await it.service.collect(ME, 0.001, dry_run=True)).jobs == 0:
            await asyncio.sleep(0.005)

        async def away(keys):
            raise ArtifactsUnavailable("it is away")

        with monkeypatch.context() as patch:
            patch.setattr(it.service._parts.artifacts, "delete", away)
            done = await it.service.collect(ME, 0.001, dry_run=False)
        assert (done.jobs, done.stay[0].why) == (0, "the artifact store cannot be used: it is away")
        assert (await it.service.get("one")).state == "SUCCEEDED"
        assert (await it.service.collect(ME, 0.001, dry_run=False)).jobs == 1


async def test_a_value_that_a_jobs_code_has_made_up_is_passed_over(staged):
    async with staged as it:
        await it.submit("one")
        script = it.script("one")
        script.say("RUNNING")
        await it.until("one", "RUNNING")
        script.record("value", name="report", path="report.html")
        script.record("value", name="file_x", path=7, size=1, digest=DIGEST)
        script.finish()
        await it.until("one", "SUCCEEDED")
        assert await it.service.files("one", ME) == []
        await until(it, names("one", "events.jsonl", MANIFEST))
        assert (await read(it, "one", MANIFEST))["values"] == []


async def test_a_file_that_is_added_to_a_job_of_before_the_bucket_has_the_job_stored(stage, staged):
    async with stage(plugins="scripted,qwex_local") as it:
        await it.submit("one", retries={"failures": 1})
        await it.run("one", "first\n", code=1, reason="ExitCode")
        await it.handed_over("one", 2)
        await it.run("one", "second\n")
        await it.until("one", "SUCCEEDED")
    async with staged as it:
        assert await listed(it) == set()
        await it.service.put_blob(DIGEST, chunks(), ME)
        await it.service.add_file("one", "report.html", DIGEST, ME)
        await until(it, names("one", "events.jsonl", MANIFEST))
        manifest = await read(it, "one", MANIFEST)
        assert (manifest["attempt"], manifest["state"], manifest["lost"]) == (2, "SUCCEEDED", [])
        assert manifest["files"] == [{"path": "report.html", "size": len(DATA), "digest": DIGEST}]
        await until_settled(it, "one")


async def until_settled(it, run_id):
    while it.service._parts.tracking.waiting(run_id):
        await asyncio.sleep(0.005)
    await it.service._parts.store.writer.flush()
    assert (await it.service._parts.store.row(run_id))["settled"]
