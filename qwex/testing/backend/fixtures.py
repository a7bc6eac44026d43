"""What a backend's author gives to the kit: a class, and where the defaults do not fit, fixtures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from qwex.backend import Backend, BackendContext, Capability
from qwex.testing.driver import Driver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

__all__ = ["REFUSED_WITHOUT", "BackendFixtures"]


class BackendFixtures:
    """The parts that are overridden; what each default assumes is in its docstring."""

    backend_class: ClassVar[type[Backend[Any]]]
    #: Seconds that any one wait may take. No job of the kit runs much longer.
    limit: ClassVar[float] = 30.0
    #: ``resources`` that the place can never have.
    impossible: ClassVar[dict[str, str]] = {"cpu": "1000000"}

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The controller runs on asyncio."""
        return "asyncio"

    @pytest.fixture
    def settings(self) -> dict[str, Any]:
        """The backend's section of the configuration: none."""
        return {}

    @pytest.fixture
    def spec_fields(self) -> dict[str, Any]:
        """Fields of ``JobSpec`` that every job needs here, such as ``runtime`` with an image: none."""
        return {}

    @pytest.fixture
    def filling(self) -> dict[str, Any]:
        """Fields of ``JobSpec`` with which one job fills the default queue, so that the next one waits."""
        self.needs(Capability.QUEUES)
        pytest.skip("what fills the queue is not known: override the fixture 'filling'")

    @pytest.fixture
    def unreachable(self) -> Backend[Any]:
        """An instance whose place cannot be reached."""
        pytest.skip("no unreachable place: override the fixture 'unreachable'")

    @pytest.fixture
    def context(self, settings: dict[str, Any]) -> Iterator[BackendContext]:
        """A fresh folder under /tmp: its path is short, since paths of Unix sockets are limited to 100 bytes."""
        with tempfile.TemporaryDirectory(prefix="qx", dir="/tmp", ignore_cleanup_errors=True) as folder:
            yield BackendContext(Path(folder), settings)

    @pytest.fixture
    def backend_factory(self, context: BackendContext) -> Callable[[], Backend[Any]]:
        """Makes a new instance over the same folder each time it is called."""
        return lambda: self.backend_class(context)

    @pytest.fixture
    def driver_factory(
        self, backend_factory: Callable[[], Backend[Any]], spec_fields: dict[str, Any]
    ) -> Callable[[], Driver]:
        """Drivers of new instances; not for overriding."""
        return lambda: Driver(backend_factory(), self.limit, spec_fields)

    @pytest.fixture
    async def driver(self, anyio_backend: str, driver_factory: Callable[[], Driver]) -> AsyncIterator[Driver]:
        """The driver of a started instance; not for overriding."""
        async with driver_factory() as driver:
            yield driver

    def needs(self, *capabilities: str) -> None:
        """Skip the scenario where the backend does not declare a capability."""
        for capability in capabilities:
            if capability not in self.backend_class.capabilities:
                pytest.skip(f"capability {capability!r} is not declared")


#: What a job asks for, and the capability without which a backend must refuse it.
REFUSED_WITHOUT: dict[str, dict[str, Any]] = {
    Capability.QUEUES: {"queue": "kit"},
    Capability.GPU: {"resources": {"gpu": "1"}},
    Capability.TIMEOUT: {"timeout": 60},
    Capability.VALUES: {"outputs": ("answer",)},
}
