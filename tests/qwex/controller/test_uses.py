"""A blob is used or removed, never both."""

from __future__ import annotations

import asyncio

import pytest

from qwex.controller import uses
from qwex.controller.uses import Uses

pytestmark = pytest.mark.anyio


async def test_what_was_used_a_while_ago_may_be_removed_what_was_used_since_may_not():
    now = [0.0]
    uses = Uses(lambda: now[0])
    await uses.note("old")
    now[0] = 50.0
    await uses.note("new")
    now[0] = 100.0
    with uses.removing(["old", "new", "never"], 60) as unused:
        assert unused == ["old", "never"]


async def test_who_asks_for_what_is_being_removed_waits_until_it_is_gone():
    uses = Uses()
    with uses.removing(["a"], 60):
        asking = asyncio.create_task(uses.note("a"))
        await uses.note("b")
        await asyncio.sleep(0)
        assert not asking.done()
    await asking
    with uses.removing(["a"], 60) as unused:
        assert unused == []


async def test_a_removal_that_fails_holds_up_nobody():
    uses = Uses()
    with pytest.raises(OSError, match="away"), uses.removing(["a"], 60):
        raise OSError("away")
    await asyncio.wait_for(uses.note("a"), 5)


async def test_uses_of_long_ago_take_no_memory(monkeypatch):
    monkeypatch.setattr(uses, "_MANY", 10)
    now = [0.0]
    known = Uses(lambda: now[0])
    known._room = 10
    for number in range(1000):
        now[0] += uses._LONGEST / 5
        await known.note(str(number))
    assert len(known._last) < 30
