"""All that makes one cluster differ from another on the same machine, kept in ``cluster.json`` of its folder."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import build, network, places
from harness.network import Subnet
from harness.pki import Authority
from harness.processes import Processes

__all__ = ["Layout"]

_SERVERS = (
    "apiserver",
    "etcd",
    "controller-manager",
    "scheduler",
    "kubelet",
    "kubelet-health",
    "kueue-webhooks",
    "kueue-health",
    "kueue-visibility",
)


@dataclass(frozen=True)
class Layout:
    """Names, ports and addresses of one cluster."""

    folder: Path
    ports: dict[str, int]
    subnet: Subnet | None
    binaries: Path
    #: The real node's name.
    node: str = "node0"

    @classmethod
    def choose(cls, folder: Path, *, node: bool) -> Layout:
        """Make the folder, and take what is free on this machine and not another cluster's; ``node``: a real one."""
        with places.locked(places.cache() / "choose.lock"):
            folder.mkdir(parents=True)
            others = []
            for other in places.folders():
                # One that begins or ends just now, or that another version of this file started.
                with suppress(FileNotFoundError, KeyError, TypeError, ValueError):
                    others.append(cls.load(other))
            ports = network.free_ports(len(_SERVERS), {port for other in others for port in other.ports.values()})
            bridges = {other.subnet.bridge for other in others if other.subnet}
            subnet = network.free_subnet(bridges) if node else None
            chosen = cls(folder, dict(zip(_SERVERS, ports, strict=True)), subnet, build.binaries().folder)
            chosen._save()
        return chosen

    @classmethod
    def load(cls, folder: Path) -> Layout:
        """The layout of the cluster in that folder.

        Raises:
            FileNotFoundError: no cluster is in that folder.
        """
        found: dict[str, Any] = json.loads((folder / "cluster.json").read_text())
        subnet = Subnet(**found["subnet"]) if found["subnet"] else None
        return cls(folder, found["ports"], subnet, Path(found["binaries"]), found["node"])

    def _save(self) -> None:
        """Leave word for other processes."""
        part = self.folder / "cluster.json.part"
        part.write_text(json.dumps(asdict(self), default=str, indent=1))
        part.replace(self.folder / "cluster.json")

    @property
    def name(self) -> str:
        """The folder's."""
        return self.folder.name

    @property
    def cgroup(self) -> str:
        """The control group of its pods."""
        return f"qwex-{self.name}"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self.ports['apiserver']}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "kubeconfig"

    @property
    def containerd(self) -> Path:
        """Its socket."""
        return self.folder / "containerd.sock"

    @cached_property
    def programs(self) -> build.Binaries:
        """What its processes run; those it began with, whatever was built since."""
        return build.Binaries(self.binaries)

    @cached_property
    def authority(self) -> Authority:
        """Its certificates."""
        return Authority(self.folder / "pki")

    @cached_property
    def processes(self) -> Processes:
        """What runs of it."""
        return Processes(self.folder)
