"""Whose blobs a caller, a job and a job made from another's read."""

from __future__ import annotations

import hashlib

import pytest
from asked import ME

from qwex.controller.auth import Caller
from qwex.errors import InvalidSpec, NotAuthorized

pytestmark = pytest.mark.anyio

ADA, BOB = Caller("ada"), Caller("bob")
DATA = b"some value" * 100
DIGEST = f"sha256:{hashlib.sha256(DATA).hexdigest()}"
INPUTS = {"x": {"digest": DIGEST, "size": len(DATA)}}


async def chunks():
    yield DATA


@pytest.fixture
def staged(stage):
    return stage(plugins="scripted,qwex_local")


async def test_a_blob_is_the_callers_own(staged):
    async with staged as it:
        await it.service.put_blob(DIGEST, chunks(), ADA)
        assert await it.service.has_blob(DIGEST, ADA)
        assert not await it.service.has_blob(DIGEST, BOB)


async def test_a_job_reads_its_users_blobs_and_no_others(staged):
    async with staged as it:
        await it.service.put_blob(DIGEST, chunks(), ADA)
        source = {"kind": "cell", "text": "x"}
        await it.submit("hers-abc234", caller=ADA, source=source, inputs=INPUTS)
        with pytest.raises(InvalidSpec, match=f"inputs.x.digest: no blob {DIGEST}; upload it first"):
            await it.submit("his-abc234", caller=BOB, source=source, inputs=INPUTS)


async def test_who_may_submit_anothers_job_again_gets_its_inputs(staged):
    async with staged as it:
        await it.service.put_blob(DIGEST, chunks(), ADA)
        await it.submit("hers-abc234", caller=ADA, source={"kind": "cell", "text": "x"}, inputs=INPUTS)
        with pytest.raises(NotAuthorized):
            await it.service.resubmit("hers-abc234", {}, BOB)
        assert not await it.service.has_blob(DIGEST, BOB)
        done = await it.service.resubmit("hers-abc234", {}, ME)
        assert (done.record.user, await it.service.has_blob(DIGEST, ME)) == (ME.user, True)
