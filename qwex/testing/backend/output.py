"""5 · Output: every record, once, in order, from any point on."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from typing import TYPE_CHECKING

import pytest

from qwex.backend import Capability, JobState, Position
from qwex.testing.backend.fixtures import BackendFixtures
from qwex.testing.driver import position, text
from qwex.testing.jobs import command, script, waiting

if TYPE_CHECKING:
    from qwex.testing.driver import Driver

__all__ = ["OutputScenarios"]

#: The strings are written as escapes, so that what is tested is the output and not the way of the source.
UNICODE = r"print('h\u00e9llo \u6f22\u5b57 \U0001f30d \u2028 \x00 \x1b[1mbold\x1b[0m')"
ALTERNATING = """
    import sys

    for number in range(20):
        print(f"line {number}", flush=True)
        print(f"complaint {number}", file=sys.stderr, flush=True)
"""
#: Some 10 MB, each line different, so that a lost or doubled one changes the digest.
MANY = """
    import sys

    for number in range(100_000):
        sys.stdout.write(f"{number:>99}\\n")
"""


@pytest.mark.anyio
class OutputScenarios(BackendFixtures):
    """``output`` gives the runner's records as they were written."""

    async def test_5a_complete(self, driver: Driver) -> None:
        """All that was printed is there, in order, in whole lines numbered from 1 without a gap."""
        _, records = await driver.run(script("for number in range(1000):\n    print(number)"))
        assert text(records) == "".join(f"{number}\n" for number in range(1000))
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert {record.attempt for record in records} == {1}

    async def test_5b_resumes(self, driver: Driver) -> None:
        """A reader that comes back with the position of any record gets those after it: none lost, none doubled."""
        native_id = await driver.submit(script(ALTERNATING))
        await driver.ended(native_id)
        records = await driver.records(native_id)
        for seen in range(len(records) + 1):
            after = position(records[seen - 1]) if seen else Position()
            rest = await driver.records(native_id, after)
            assert [record.seq for record in rest] == [record.seq for record in records[seen:]], f"after {after}"

    async def test_5c_follows(self, driver: Driver) -> None:
        """A reader gets what a running job prints while it runs, and the stream ends with the job."""
        native_id = await driver.submit(script("import time\nprint('ready', flush=True)\ntime.sleep(2)\nprint('done')"))
        seen = await driver.until_printed(native_id, "ready\n")
        assert "done" not in text(seen)
        rest = await driver.records(native_id, position(seen[-1]))
        assert text(rest) == "done\n"
        assert rest[-1].type == "exit"

    async def test_5d_unicode(self, driver: Driver) -> None:
        """Text of any script, control characters and terminal colours come through unchanged."""
        _, records = await driver.run(script(UNICODE))
        assert text(records) == "h\u00e9llo \u6f22\u5b57 \U0001f30d \u2028 \x00 \x1b[1mbold\x1b[0m\n"

    async def test_5e_ten_megabytes(self, driver: Driver) -> None:
        """10 MB of output come through whole."""
        status, records = await driver.run(script(MANY))
        expected = "".join(f"{number:>99}\n" for number in range(100_000))
        assert status.state is JobState.SUCCEEDED
        assert hashlib.sha256(text(records).encode()).digest() == hashlib.sha256(expected.encode()).digest()

    @pytest.mark.parametrize("code", [0, 3])
    async def test_5f_exit_record(self, driver: Driver, code: int) -> None:
        """The last record, and no other, is ``exit``; it says what the status says."""
        status, records = await driver.run(script(f"print('x'); raise SystemExit({code})"))
        exits = [record for record in records if record.type == "exit"]
        assert exits == records[-1:]
        assert (exits[0]["code"], exits[0]["reason"]) == (status.exit_code, status.reason) == (code, status.reason)

    async def test_5g_readers(self, driver: Driver) -> None:
        """Several readers at once, early and late, get the same."""
        native_id = await driver.submit(script(ALTERNATING))
        early = await asyncio.gather(*(driver.records(native_id) for _ in range(3)))
        late = await driver.records(native_id)
        assert early == [late, late, late]

    async def test_5h_streams(self, driver: Driver) -> None:
        """stdout and stderr are kept apart, and their order is that of the program."""
        _, records = await driver.run(script(ALTERNATING))
        assert text(records, "stdout") == "".join(f"line {number}\n" for number in range(20))
        assert text(records, "stderr") == "".join(f"complaint {number}\n" for number in range(20))
        names = [record["name"] for record in records if record.type == "stream"]
        assert [name for name, _ in itertools.groupby(names)] == ["stdout", "stderr"] * 20

    async def test_5i_children(self, driver: Driver) -> None:
        """What the job's child processes print is the job's output."""
        _, records = await driver.run(command("sh", "-c", "echo parent; sh -c 'echo child'"))
        assert text(records) == "parent\nchild\n"

    async def test_5j_position(self, driver: Driver) -> None:
        """``position()`` is that of the last record a running job has given."""
        self.needs(Capability.ON_DEMAND)
        native_id = await driver.submit(waiting(self.limit + 5))
        seen = await driver.until_printed(native_id, "ready\n")
        assert await driver.backend.position(native_id) == position(seen[-1])
