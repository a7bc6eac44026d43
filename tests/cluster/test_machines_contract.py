"""The machines of qwex_kueue keep the whole contract, on a real cluster."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from harness import images
from machines import volumes
from people import a_namespace, admit
from qwex_kueue.backend import KueueBackend
from qwex_kueue.machines.provider import KueueMachines

from qwex.backend import BackendContext
from qwex.machine import MachineContext
from qwex.testing import MachineContract
from qwex.testing.machine.driver import MachineDriver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from harness.cluster import Cluster

    from qwex.testing.machine.driver import Keys

#: Homes that all scenarios may need: a volume whose claim was purged is not given to another.
HOMES = 80


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """One for all scenarios, of which each has a queue of its own: to make and clear one takes as long as they do."""
    with a_namespace(cluster) as name:
        yield name


@pytest.fixture(scope="module")
def user(cluster: Cluster, namespace: str) -> Path:
    """Who has the rights of deploy/kueue there."""
    return admit(cluster, namespace)


@pytest.fixture(scope="module")
def homes(cluster: Cluster, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A StorageClass with volumes that anybody may write."""
    with volumes(cluster, namespace, [tmp_path_factory.mktemp("home") for _ in range(HOMES)]) as name:
        yield name


class TestKueueMachines(MachineContract):
    provider_class = KueueMachines
    limit = 120.0
    other_resources = {"cpu": "150m", "memory": "256Mi"}  # noqa: RUF012 - the kit says what it is

    @pytest.fixture
    def settings(self, user: Path, namespace: str, cluster_queue: Any) -> dict[str, Any]:
        if not any(image.name == images.MACHINE for image in images.planned()):
            pytest.skip("needs Debian 12's packages for an image with an ssh server")
        if not shutil.which("ssh"):
            pytest.skip("needs OpenSSH's client")
        return {
            "kubeconfig": str(user),
            "namespace": namespace,
            "queue": cluster_queue({"cpu": "400m", "memory": "8Gi"}),
            "machine_image": images.MACHINE,
            "pull_policy": "IfNotPresent",
        }

    @pytest.fixture
    def spec_fields(self, homes: str) -> dict[str, Any]:
        return {"resources": {"cpu": "100m", "memory": "256Mi"}, "home": "1Gi", "storage_class": homes}

    @pytest.fixture
    def filling(self) -> dict[str, Any]:
        return {"resources": {"cpu": "400m", "memory": "256Mi"}}

    @pytest.fixture
    def backend_factory(self, folder: Path, settings: dict[str, Any]) -> Callable[[], KueueBackend]:
        return lambda: KueueBackend(BackendContext(folder / "kueue", settings))

    @pytest.fixture
    async def stranger(
        self, folder: Path, settings: dict[str, Any], spec_fields: dict[str, Any], keys: Keys
    ) -> AsyncIterator[MachineDriver]:
        """Another controller in the same namespace."""
        backend = KueueBackend(BackendContext(folder / "stranger", settings))

        def made(given: Any) -> KueueMachines:
            return KueueMachines(MachineContext(folder / "stranger", settings, given))

        async with MachineDriver(made, backend, self.limit, spec_fields, keys) as driver:
            yield driver
