"""What agents left in an artifact store, as the backend reads it."""

from __future__ import annotations

import pytest
from test_output import NOTHING, RECORDS, parcel, parcels

from qwex.errors import BackendUnavailable, NotFound

pytestmark = pytest.mark.anyio


async def everything(stream):
    return b"".join([chunk async for chunk in stream])


async def test_how_an_attempt_ended():
    exit = await parcels(parcel({})).exit("train-abc", 1)
    assert (exit["code"], exit["reason"], exit["attempt"]) == (3, "ExitCode", 1)
    half = RECORDS[: RECORDS.index(b"\n") + 1]
    assert await parcels(parcel({}, records=half)).exit("train-abc", 1) is None


async def test_each_attempts_is_its_own():
    """Also where a pod was not told which it is: known ones are what they are known as, others follow."""
    left = [parcel({"x": pod.encode()}, pod=pod) for pod in ("a", "b", "c")]
    for numbers, order in (({}, [1, 2, 3]), ({"a": 2, "b": 3}, [2, 3, 4]), ({"b": 5}, [1, 5, 6])):
        found = parcels(*left, numbers=numbers)
        for attempt, pod in zip(order, (b"a", b"b", b"c"), strict=True):
            assert await everything(found.value("train-abc", attempt, "x")) == pod
        with pytest.raises(NotFound):
            await everything(found.value("train-abc", 9, "x"))
    told = parcels(parcel({}, attempt=3, pod="z"))
    assert (await told.exit("train-abc", 3))["attempt"] == 3
    assert await told.exit("train-abc", 1) is None


async def test_values_stand_one_after_the_other():
    values = {"a": b"1" * 10, "b": b"", "c": b"3" * 5}
    found = parcels(parcel(values))
    assert {name: await everything(found.value("train-abc", 1, name)) for name in values} == values


@pytest.mark.parametrize("data", [b"", b"no end of line", b"[]\n", b'{"version":9}\n', b'{"version":1}\n', b"\xff\n"])
async def test_what_is_none(data):
    with pytest.raises(NotFound):
        await everything(parcels(data).records("train-abc", 1))
    assert await everything(parcels(data, parcel({"x": b"1"})).value("train-abc", 1, "x")) == b"1", "but the next is"


async def test_a_store_that_is_away_is_asked_again_later():
    found = parcels(parcel({}), away=2)
    for asked in (everything(found.records("train-abc", 1)), found.exit("train-abc", 1)):
        with pytest.raises(BackendUnavailable):
            await asked
    assert (await found.exit("train-abc", 1))["code"] == 3


async def test_without_a_store_nothing_is_left():
    with pytest.raises(NotFound):
        await everything(NOTHING.records("train-abc", 1))
    assert await NOTHING.exit("train-abc", 1) is None
