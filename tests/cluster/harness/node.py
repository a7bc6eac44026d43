"""The real node: containerd and a kubelet."""

from __future__ import annotations

import http.client
import json
import shutil
from typing import TYPE_CHECKING

from harness import cgroups, host, images, network, store
from harness.apiserver import ApiServer

if TYPE_CHECKING:
    from pathlib import Path

    from harness.layout import Layout

__all__ = ["GPUS", "start_containerd", "start_kubelet"]

#: GPUs that the node says it has.
GPUS = 4

_CONTAINERD = """\
version = 2
root = "{folder}/containerd/root"
state = "{folder}/containerd/state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  disable_apparmor = true
  # runc may not lower the score where root lacks CAP_SYS_RESOURCE.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{folder}/cni"
"""


def start_containerd(layout: Layout, images_of: Path) -> None:
    """Start it with a copy of that store and a network for pods, and wait until it answers."""
    subnet = layout.subnet
    assert subnet is not None
    network.make_bridge(subnet)
    cgroups.make(layout.cgroup)
    store.give(images_of, layout.folder / "containerd" / "root")
    (layout.folder / "cni").mkdir()
    (layout.folder / "cni" / "10-qwex.conflist").write_text(json.dumps(_pod_network(subnet)))
    config = layout.folder / "containerd.toml"
    config.write_text(_CONTAINERD.format(folder=layout.folder, pause=images.PAUSE, plugins=host.cni_plugins()))
    layout.processes.start("containerd", shutil.which("containerd") or "containerd", "--config", str(config))
    layout.processes.ready("containerd", lambda: store.ctr(layout.containerd, "version").returncode == 0)


def start_kubelet(layout: Layout) -> None:
    """Start it, wait until the node is Ready, and give the node its GPUs."""
    assert layout.subnet is not None
    address, pki = layout.subnet.gateway, layout.authority
    settings = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup}",
        "enforceNodeAllocatable": ["pods"],
        "failSwapOn": False,
        "containerRuntimeEndpoint": f"unix://{layout.containerd}",
        # It refuses a loopback address.
        "address": address,
        "port": layout.ports["kubelet"],
        "healthzPort": layout.ports["kubelet-health"],
        "readOnlyPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki.certificate("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki.certificate("node")),
        "tlsPrivateKeyFile": str(pki.key("node")),
        "makeIPTablesUtilChains": False,
        # Imported images cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "rotateCertificates": False,
        "resolvConf": "/etc/resolv.conf",
        "volumePluginDir": str(layout.folder / "volume-plugins"),
        "nodeStatusUpdateFrequency": "5s",
        "nodeLeaseDurationSeconds": 20,
    }
    config = layout.folder / "kubelet.json"
    config.write_text(json.dumps(settings))
    layout.processes.start(
        "kubelet",
        layout.programs["kubelet"],
        f"--config={config}",
        f"--kubeconfig={pki.folder / 'node.kubeconfig'}",
        f"--hostname-override={layout.node}",
        f"--node-ip={address}",
    )
    layout.processes.ready("kubelet", lambda: _healthy(layout))
    api = ApiServer(layout.kubeconfig)
    layout.processes.ready("kubelet", lambda: _is_ready(api, layout.node))
    # Kubelet sets resources that it does not know to zero when it registers.
    gpus = {"nvidia.com/gpu": str(GPUS)}
    api.merge(f"/api/v1/nodes/{layout.node}/status", {"status": {"capacity": gpus, "allocatable": gpus}})


def _pod_network(subnet: network.Subnet) -> dict[str, object]:
    """Pods and the node on one bridge; nothing leaves it, and no rule of a packet filter is made."""
    addresses = {"subnet": subnet.cidr, "rangeStart": subnet.first_pod, "gateway": subnet.gateway}
    bridge = {
        "type": "bridge",
        "bridge": subnet.bridge,
        "isGateway": True,
        "ipMasq": False,
        "ipam": {"type": "host-local", "ranges": [[addresses]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    return {"cniVersion": "1.0.0", "name": subnet.bridge, "plugins": [bridge]}


def _healthy(layout: Layout) -> bool:
    """A kubelet that just started, not what the API server remembers of the last one."""
    connection = http.client.HTTPConnection("127.0.0.1", layout.ports["kubelet-health"], timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    finally:
        connection.close()


def _is_ready(api: ApiServer, node: str) -> bool:
    found = api.get(f"/api/v1/nodes/{node}")
    conditions = found["status"].get("conditions") or [] if found else []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
