"""What a provider's author gives to the kit: a class, and where the defaults do not fit, fixtures."""

from __future__ import annotations

import shutil
import tempfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from qwex.machine import MachineContext, MachineProvider
from qwex.testing.machine.driver import Keys, MachineDriver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from qwex.backend import Backend

__all__ = ["MachineFixtures"]


class MachineFixtures:
    """The parts that are overridden; what each default assumes is in its docstring."""

    provider_class: ClassVar[type[MachineProvider[Any]]]
    #: Seconds that any one wait may take.
    limit: ClassVar[float] = 30.0
    #: ``resources`` that the place can never have.
    impossible: ClassVar[dict[str, str]] = {"cpu": "1000000"}
    #: Other ``resources`` than those of ``spec_fields``, with which a machine has another shape.
    other_resources: ClassVar[dict[str, str]] = {"cpu": "0.5"}

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The controller runs on asyncio."""
        return "asyncio"

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """The provider's section of the configuration: none."""
        return {}

    @pytest.fixture
    def spec_fields(self) -> dict[str, Any]:
        """Fields of ``MachineSpec`` that every machine needs here, such as an image: none."""
        return {}

    @pytest.fixture
    def filling(self) -> dict[str, Any]:
        """Fields of ``MachineSpec`` with which one machine fills the default queue, so that the next one waits."""
        pytest.skip("what fills the queue is not known: override the fixture 'filling'")

    @pytest.fixture
    def opener(self) -> str:
        """``module:function`` that opens the door: that of the provider's entry point."""
        found = entry_points(group="qwex.doors", name=self.provider_class.name)
        if not found:
            pytest.skip(f"no entry point {self.provider_class.name!r} in qwex.doors: override the fixture 'opener'")
        for program in ("ssh", "ssh-keygen"):
            if not shutil.which(program):
                pytest.skip(f"{program} is not installed")
        return next(iter(found)).value

    @pytest.fixture
    def unreachable(self) -> MachineProvider[Any]:
        """An instance whose place cannot be reached."""
        pytest.skip("no unreachable place: override the fixture 'unreachable'")

    @pytest.fixture
    def folder(self) -> Iterator[Path]:
        """A fresh folder under /tmp: its path is short, since paths of Unix sockets are limited to 100 bytes."""
        with tempfile.TemporaryDirectory(prefix="qx", dir="/tmp", ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    @pytest.fixture
    def backend_factory(self) -> Callable[[], Backend[Any] | None]:
        """Makes a new instance of the backend of the provider's name, over the same folder each time: there is none."""
        return lambda: None

    @pytest.fixture
    def provider_factory(
        self, folder: Path, settings: dict[str, Any]
    ) -> Callable[[Backend[Any] | None], MachineProvider[Any]]:
        """Makes a new instance over the same folder each time it is called."""
        (folder / "provider").mkdir(mode=0o700)
        return lambda backend: self.provider_class(MachineContext(folder / "provider", settings, backend))

    @pytest.fixture
    def keys(self, folder: Path) -> Keys:
        """The keys of the test's machines; not for overriding."""
        if not shutil.which("ssh-keygen"):
            pytest.skip("ssh-keygen is not installed")
        (folder / "keys").mkdir(mode=0o700)
        return Keys.made(folder / "keys")

    @pytest.fixture
    def driver_factory(
        self,
        backend_factory: Callable[[], Backend[Any] | None],
        provider_factory: Callable[[Backend[Any] | None], MachineProvider[Any]],
        spec_fields: dict[str, Any],
        keys: Keys,
    ) -> Callable[[], MachineDriver]:
        """Drivers of new instances; not for overriding."""
        return lambda: MachineDriver(provider_factory, backend_factory(), self.limit, spec_fields, keys)

    @pytest.fixture
    async def driver(
        self, anyio_backend: str, driver_factory: Callable[[], MachineDriver]
    ) -> AsyncIterator[MachineDriver]:
        """The driver of an opened instance; not for overriding."""
        async with driver_factory() as driver:
            yield driver

    @pytest.fixture
    async def stranger(self, driver: MachineDriver) -> MachineDriver:
        """The driver of an instance in whose place this test's machines are somebody else's: the same one, which tells
        them by their user.
        """
        return driver
