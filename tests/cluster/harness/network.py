"""Ports, and the bridge that is a node's address and its pods' network."""

from __future__ import annotations

import ipaddress
import json
import random
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["Subnet", "free_ports", "free_subnet", "make_bridge", "remove_bridge"]

#: Below the range from which the kernel takes ports of outgoing connections: a server that is stopped for a while finds
#: its port free again.
_PORTS = range(20000, 32000)


@dataclass(frozen=True)
class Subnet:
    """A network of 254 addresses on a bridge; the first is the node's."""

    bridge: str
    cidr: str

    @property
    def gateway(self) -> str:
        """The node's address, where pods reach what runs on this machine."""
        return str(ipaddress.ip_network(self.cidr)[1])

    @property
    def first_pod(self) -> str:
        """The first address that a pod gets."""
        return str(ipaddress.ip_network(self.cidr)[10])


def free_ports(count: int, taken: Collection[int] = ()) -> list[int]:
    """Ports that nobody listens on, and none of those."""
    held: list[socket.socket] = []
    try:
        candidates = sorted(set(_PORTS) - set(taken))
        random.shuffle(candidates)
        for port in candidates:
            candidate = socket.socket()
            held.append(candidate)
            try:
                candidate.bind(("0.0.0.0", port))
            except OSError:
                held.pop().close()
            if len(held) == count:
                return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()
    raise ClusterError(f"no {count} free ports in {_PORTS.start}-{_PORTS.stop}")


def free_subnet(taken: Collection[str] = ()) -> Subnet:
    """A network that no interface of this machine is in, and a bridge name that none has and is not one of those."""
    interfaces = json.loads(subprocess.check_output(["ip", "-j", "address"]))
    names = {interface["ifname"] for interface in interfaces} | set(taken)
    networks = [
        ipaddress.ip_network(f"{address['local']}/{address['prefixlen']}", strict=False)
        for interface in interfaces
        for address in interface["addr_info"]
        if address["family"] == "inet"
    ]
    for number in range(1, 255):
        subnet = Subnet(f"qwex-br{number}", f"10.89.{number}.0/24")
        wanted = ipaddress.ip_network(subnet.cidr)
        if subnet.bridge not in names and not any(wanted.overlaps(network) for network in networks):
            return subnet
    raise ClusterError("every network in 10.89.0.0/16 is taken")


def make_bridge(subnet: Subnet) -> None:
    """Make it with the gateway's address; one without pods counts as up as well."""
    for words in (
        ["link", "add", subnet.bridge, "type", "bridge"],
        ["address", "add", f"{subnet.gateway}/24", "dev", subnet.bridge],
        ["link", "set", subnet.bridge, "up"],
    ):
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def remove_bridge(name: str) -> None:
    """Remove it; one that is gone is fine."""
    subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)
