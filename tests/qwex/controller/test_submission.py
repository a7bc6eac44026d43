"""What is recorded when jobs are submitted, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from asked import ME, spec
from scripted import ScriptedBackend

from qwex.controller.auth import Caller
from qwex.controller.origin import Origin
from qwex.controller.store import Filter
from qwex.controller.submission import LOGIN, Entry
from qwex.errors import BackendUnavailable, Conflict, InvalidSpec, NotAuthorized, TooLarge, UnknownBackend
from qwex.spec import JobSpec

pytestmark = pytest.mark.anyio


async def test_the_same_run_id_twice_is_one_job(stage):
    async with stage() as it:
        first = await it.service.submit([Entry(spec("a"), "one")], ME)
        again = await it.service.submit([Entry(spec("a"), "one")], ME)
        assert (first[0].created, again[0].created) == (True, False)
        assert it.service.live == 1
        with pytest.raises(Conflict, match="different spec"):
            await it.service.submit([Entry(spec("b"), "one")], ME)


async def test_the_same_run_id_after_the_end(stage):
    async with stage() as it:
        await it.submit("one")
        await it.run("one")
        await it.until("one", "SUCCEEDED")
        assert (await it.service.submit([Entry(spec(), "one")], ME))[0].created is False


async def test_idempotency_key(stage):
    async with stage() as it:
        first = (await it.service.submit([Entry(spec("a"), None, "key")], ME))[0]
        again = (await it.service.submit([Entry(spec("a"), None, "key")], ME))[0]
        assert (first.record.id, again.created) == (again.record.id, False)
        with pytest.raises(Conflict):
            await it.service.submit([Entry(spec("b"), None, "key")], ME)
        other = await it.service.submit([Entry(spec("b"), None, "key")], Caller("other"))
        assert other[0].created


async def test_another_users_run_id(stage):
    async with stage() as it:
        await it.submit("one")
        with pytest.raises(NotAuthorized):
            await it.submit("one", caller=Caller("other"))


async def test_a_batch_is_all_or_none(stage):
    async with stage() as it:
        done = await it.service.submit([Entry(spec(str(n)), f"job-{n}") for n in range(50)], ME)
        assert [one.record.id for one in done] == [f"job-{n}" for n in range(50)]
        again = await it.service.submit([Entry(spec(str(n)), f"job-{n}") for n in range(50)], ME)
        assert not any(one.created for one in again)
        with pytest.raises(Conflict):
            await it.service.submit([Entry(spec("new"), "new"), Entry(spec("0"), "job-0")], ME)
        with pytest.raises(InvalidSpec, match="queue"):
            await it.service.submit([Entry(spec("new"), "new"), Entry(spec(queue="nowhere"), "bad")], ME)
        assert (await it.service.page(Filter(), 100, None)).total == 50


async def test_a_batch_that_its_backend_refuses_in_part(stage, home):
    async with stage() as it:
        (home / "scripted" / "refuses").touch()
        with pytest.raises(InvalidSpec):
            await it.service.submit([Entry(spec("ok"), "ok"), Entry(spec("refused"), "refused")], ME)
        assert (await it.service.page(Filter(), 100, None)).total == 0
        assert it.service.live == 0
        assert it.script("ok").status().state.value == "CANCELLED"


async def test_environment_is_private_and_goes_when_it_is_not_needed(stage, home):
    async with stage() as it:
        await it.submit("one", environment={"SECRET": "s1"})
        request = json.loads((it.script("one").folder / "request-1.json").read_text())
        assert json.loads(Path(request["environment"]).read_text()) == {"SECRET": "s1"}
        assert stat.S_IMODE(os.stat(request["environment"]).st_mode) == 0o600
        await it.submit("two", environment={"SECRET": "s2"})
        for run_id in ("one", "two"):
            await it.run(run_id)
            await it.until(run_id, "SUCCEEDED")
    async with stage() as it:
        assert list((home / "environments").iterdir()) == []


async def test_the_clients_side_is_for_jobs_that_run_there(stage, home, monkeypatch):
    here = Origin({"SECRET": "s"}, "/client/folder", "/client/python")
    async with stage() as it:
        await it.service.submit([Entry(spec("a"), "one")], ME, here)
        await it.service.submit([Entry(spec("a", cwd="/own"), "two")], ME, here)
        kept = json.loads(await it.service.spec("one", ME))
        assert (kept["cwd"], kept["runtime"]["python"]) == ("/client/folder", "/client/python")
        assert json.loads(await it.service.spec("two", ME))["cwd"] == "/own"


async def test_the_clients_side_stays_there_where_jobs_run_elsewhere(stage, home, monkeypatch):
    monkeypatch.setattr(ScriptedBackend, "capabilities", frozenset())
    async with stage() as it:
        await it.service.submit([Entry(spec("a"), "one")], ME, Origin({"SECRET": "s"}, "/client/folder", "/python"))
        kept = json.loads(await it.service.spec("one", ME))
        assert (kept["cwd"], kept["runtime"]["python"]) == ("", None)
        assert list((home / "environments").iterdir()) == []


async def test_no_environment_from_elsewhere(stage, home):
    async with stage() as it:
        await it.submit("one", environment={"SECRET": "s"}, caller=Caller("far"))
        (kept,) = (home / "environments").iterdir()
        assert {"PATH"} <= set(json.loads(kept.read_text())) <= set(LOGIN)


async def test_resubmit(stage):
    async with stage() as it:
        await it.submit("one", "a", env={"A": "1", "B": "2"}, environment={"X": "1"})
        changes = {"env": {"B": None, "C": "3"}, "args": ["b"], "resources": {"cpu": "2"}}
        again = (await it.service.resubmit("one", changes, ME)).record
        assert again.id != "one"
        request = json.loads((it.script(again.id).folder / "request-1.json").read_text())
        assert (request["args"], request["env"]) == (["b"], {"A": "1", "C": "3"})
        assert request["environment"]
        assert json.loads(await it.service.spec(again.id, ME))["resources"]["cpu"] == "2"
        with pytest.raises(InvalidSpec, match="no such field"):
            await it.service.resubmit("one", {"nonsense": 1}, ME)


async def test_resubmit_says_what_it_was_made_from(stage):
    async with stage() as it:
        await it.submit("one", tags={"team": "vision"})
        again = (await it.service.resubmit("one", {}, ME)).record
        assert again.tags == {"team": "vision", "qwex.resubmit-of": "one"}
        third = (await it.service.resubmit(again.id, {"tags": {"team": None, "run": "3"}}, ME)).record
        assert third.tags == {"run": "3", "qwex.resubmit-of": again.id}
        found = await it.service.page(Filter(tag=("qwex.resubmit-of", "one")), 5, None)
        assert [record.id for record in found.records] == [again.id]
        with pytest.raises(InvalidSpec, match="tags"):
            await it.service.resubmit("one", {"tags": "x"}, ME)


async def test_resubmit_with_more_memory_keeps_all_else(stage):
    value = {"data": base64.b64encode(b"x").decode(), "size": 1, "format": "bytes"}
    cell = {"kind": "cell", "text": "y = x\n", "name": "In [3]", "execution_count": 3}
    resources = {"cpu": "2", "memory": "1Gi", "gpu": "A100:1"}
    given = {"source": cell, "inputs": {"x": value}, "outputs": ["y"], "resources": resources}
    async with stage() as it:
        await it.service.submit([Entry(JobSpec(**given), "one")], ME)
        again = (await it.service.resubmit("one", {"resources": {"memory": "2Gi"}}, ME)).record
        assert (again.resources, again.outputs) == ({**resources, "memory": "2Gi"}, ("y",))
        before, after = [json.loads(await it.service.spec(run_id, ME)) for run_id in ("one", again.id)]
        changed = {"resources": {**resources, "memory": "2Gi"}, "tags": again.tags, "backend": "scripted"}
        assert after == {**before, **changed}


async def test_resubmit_goes_to_the_jobs_own_backend(stage):
    async with stage() as it:
        await it.submit("one")
    async with stage(default_backend="fleeting") as it:
        assert (await it.service.resubmit("one", {}, ME)).record.backend == "scripted"
        assert (await it.service.resubmit("one", {"backend": "fleeting"}, ME)).record.backend == "fleeting"


async def test_a_place_that_does_not_tell_its_default_queue_yet_is_waited_for(stage, home, monkeypatch):
    async def away(self):
        raise BackendUnavailable("nobody answers")

    monkeypatch.setattr(ScriptedBackend, "capabilities", ScriptedBackend.capabilities | {"queues"})
    monkeypatch.setattr(ScriptedBackend, "queues", away)
    async with stage() as it:
        (home / "scripted" / "unavailable").touch()
        record = await it.submit("one")
        assert (record.state, record.queue) == ("PENDING", None)


async def test_too_many_jobs(stage):
    async with stage(max_jobs_per_user=2) as it:
        await it.submit("one")
        await it.submit("two")
        with pytest.raises(TooLarge, match="limit of 2"):
            await it.submit("three")
        await it.submit("other", caller=Caller("other"))


async def test_unknown_backend(stage):
    async with stage() as it:
        with pytest.raises(UnknownBackend, match="Did you mean 'scripted'"):
            await it.submit("one", backend="scriptd")


async def test_a_site_policy(stage, monkeypatch):
    async with stage() as it:
        plugins = it.service._parts.backends.plugins
        monkeypatch.setattr(plugins, "prepare", lambda given, user: given.model_copy(update={"args": ("policed",)}))
        await it.submit("one", "asked")
        assert json.loads(await it.service.spec("one", ME))["args"] == ["policed"]
        assert (await it.service.submit([Entry(spec("asked"), "one")], ME))[0].created is False


async def test_inputs_by_digest_must_be_there(stage):
    data = b"x" * 100
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    inline = {"data": base64.b64encode(data).decode(), "size": 100}
    async with stage() as it:
        await it.submit("inline", inputs={"x": inline})
        with pytest.raises(InvalidSpec, match=r"inputs\.x\.digest"):
            await it.submit("absent", inputs={"x": {"digest": digest, "size": 100}})
        assert (await it.service.page(Filter(), 10, None)).total == 1


async def test_preflight_stores_nothing(stage):
    async with stage() as it:
        expected, rendered = await it.service.preflight(spec("a"), ME)
        assert expected is None
        assert json.loads(rendered)["args"] == ["a"]
        with pytest.raises(InvalidSpec):
            await it.service.preflight(spec(queue="nowhere"), ME)
        assert (await it.service.page(Filter(), 10, None)).total == 0
