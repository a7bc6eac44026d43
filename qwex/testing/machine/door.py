"""m5 · Door: whoever has a key that is let in gets in, and is sure where."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from qwex.door import SSH_PORT, DoorError
from qwex.testing.machine.driver import keypair
from qwex.testing.machine.fixtures import MachineFixtures

if TYPE_CHECKING:
    from pathlib import Path

    from qwex.testing.machine.driver import MachineDriver

__all__ = ["DoorScenarios"]

#: What a shell, a pod's definition, a configuration of sshd, or a file of lines might take for something of its own.
_VARIABLES = {
    "GREETING": 'a "b" $c\u00e9',
    "DOLLARS": "$$ $(HOME) $HOME ${HOME} `id` %h %%",
    "QUOTES": """it's "quoted" \\"twice\\" '""",
    "BACKSLASHES": r"C:\new\\dir\ ",
    "SPACES": "  two  before, a\ttab, one after ",
    "SIGNS": "# a=b; c & d | e > f * ? ~ !",
    "NOTHING": "",
}


@pytest.mark.anyio
class DoorScenarios(MachineFixtures):
    """The door's data and the entry point's function are all that the user's own ssh needs."""

    async def test_m5a_command(self, driver: MachineDriver, opener: str) -> None:
        """A command runs there with its output, its errors and its exit code, and sees the machine's variables."""
        native_id = await driver.running(driver.plan(env=_VARIABLES))
        lines = " ".join(f'"${name}"' for name in _VARIABLES)
        ran = await driver.ssh(native_id, f"printf '%s\\n' {lines}; echo no >&2; exit 3", opener)
        assert (ran.code, ran.out.splitlines()) == (3, [*_VARIABLES.values()]), ran
        assert ran.err.endswith("no\n")

    async def test_m5b_host_key(self, driver: MachineDriver, opener: str, folder: Path) -> None:
        """The machine shows the host key of its plan, also after a stop and a start; one who expects another is off."""
        native_id = await driver.running(plan := driver.plan())
        other = keypair(folder / "other")
        refused = await driver.ssh(native_id, "true", opener, host_key=other)
        assert refused.code == 255
        assert "host key" in refused.err.lower()
        await driver.stopped(native_id)
        await driver.running(plan)
        assert (await driver.ssh(native_id, "true", opener)).code == 0

    async def test_m5c_keys(self, driver: MachineDriver, opener: str, folder: Path) -> None:
        """A key that is not among the plan's is refused; ``update`` lets it in without a stop or a start."""
        native_id = await driver.running(plan := driver.plan())
        public = keypair(folder / "new")
        assert (await driver.ssh(native_id, "true", opener, key=folder / "new")).code == 255
        before = await driver.status(native_id)
        both = driver.plan(plan.spec.name, keys=(driver.keys.user_public, public)).spec
        await driver.provider.update(driver.provider.render(replace(plan, spec=both)))

        async def let_in() -> None:
            # A place may bring it there in its own time.
            while (await driver.ssh(native_id, "true", opener, key=folder / "new")).code:
                pass

        await driver.bounded(let_in(), "the new key is let in")
        assert await driver.status(native_id) == before

    async def test_m5d_stopped(self, driver: MachineDriver, opener: str) -> None:
        """The door of a machine that does not run says so at once: it is absent."""
        native_id = await driver.running(driver.plan())
        await driver.stopped(native_id)
        module, _, function = opener.partition(":")
        opened = getattr(import_module(module), function)
        with pytest.raises(DoorError) as caught:
            await driver.bounded(
                asyncio.to_thread(opened, driver.provider.door(native_id), SSH_PORT), "the door is refused"
            )
        assert caught.value.absent

    async def test_m5e_data(self, driver: MachineDriver) -> None:
        """What a door needs is plain data, nothing secret, there when ``start`` has returned."""
        native_id = await driver.start(driver.plan())
        door = driver.provider.door(native_id)
        assert json.loads(json.dumps(door)) == door == driver.provider.door(native_id)
        assert driver.keys.host.read_text().splitlines()[1] not in json.dumps(door)

    async def test_m5f_several(self, driver: MachineDriver, opener: str) -> None:
        """Several connections at once are apart from each other."""
        native_id = await driver.running(driver.plan())
        ran = await asyncio.gather(*(driver.ssh(native_id, f"echo {n}; exit {n}", opener) for n in range(5)))
        assert [(each.code, each.out) for each in ran] == [(n, f"{n}\n") for n in range(5)]

    async def test_m5g_told(self, driver: MachineDriver, opener: str) -> None:
        """Who is logged in when a machine stops is told before, and the connection ends."""
        native_id = await driver.running(driver.plan())
        shell = await driver.begin_ssh(native_id, "echo begun; exec cat", opener, options=("-tt",))
        assert shell.stdout
        assert b"begun" in await driver.bounded(shell.stdout.readline(), "the shell begins")
        await driver.stopped(native_id)
        said, _ = await driver.bounded(shell.communicate(), "the connection ends")
        assert b"stop" in said
