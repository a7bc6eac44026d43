"""What agents left in an artifact store, as the backend reads it."""

from __future__ import annotations

import pytest
from qwex_kueue.parcels import Parcels
from test_output import RECORDS, parcel

from qwex.errors import ArtifactsUnavailable, BackendUnavailable, NotFound
from qwex.state import JobState

pytestmark = pytest.mark.anyio
PREEMPTED = RECORDS.replace(b"ExitCode", b"Preempted")


async def everything(stream):
    return b"".join([chunk async for chunk in stream])


@pytest.mark.parametrize(
    ("records", "state"), [(RECORDS, JobState.FAILED), (PREEMPTED, None), (RECORDS[: RECORDS.index(b"\n") + 1], None)]
)
async def test_how_a_job_ended(records, state):
    end = await Parcels(parcel({}, records=records)).end("train-abc", 1)
    assert (end and end.state) == state


async def test_that_of_another_attempt_is_none():
    parcels = Parcels(parcel({"x": b"1"}, attempt=2))
    for asked in (parcels.records("train-abc", 3), parcels.value("train-abc", 1, "x")):
        with pytest.raises(NotFound):
            await everything(asked)
    assert await parcels.end("train-abc", 1) is None


async def test_values_stand_one_after_the_other():
    values = {"a": b"1" * 10, "b": b"", "c": b"3" * 5}
    parcels = Parcels(parcel(values))
    assert {name: await everything(parcels.value("train-abc", 1, name)) for name in values} == values


@pytest.mark.parametrize("data", [b"", b"no end of line", b"[]\n", b'{"version":9}\n', b'{"version":1}\n', b"\xff\n"])
async def test_what_is_none(data):
    async def read(run_id, attempt, start):
        yield data

    with pytest.raises(NotFound):
        await everything(Parcels(read).records("train-abc", 1))


async def test_a_store_that_is_away_is_asked_again_later():
    async def read(run_id, attempt, start):
        raise ArtifactsUnavailable("no answer")
        yield b""

    with pytest.raises(BackendUnavailable):
        await everything(Parcels(read).records("train-abc", 1))
    assert await Parcels(read).end("train-abc", 1) is None


async def test_without_a_store_nothing_is_left():
    with pytest.raises(NotFound):
        await everything(Parcels(None).records("train-abc", 1))
