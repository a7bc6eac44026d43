"""Which GPUs a cluster has, where and how many are free, as far as the user may read it: what ``qwex gpus`` shows.

A node gives out what is allocatable, which says how many are healthy and not how many are free: free is what the pods
on it have not asked for. Without the right to list nodes, the queues' quotas say what there is.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from qwex.gpus import GpuKind, GpuNode, GpuQuota, GpuReport, short_name
from qwex_kueue.amounts import listed, quantity, summed
from qwex_kueue.gpulabels import Device, device, is_gpu, label_of
from qwex_kueue.objects import Condition, requested

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from qwex_kueue.clusterqueues import Beyond, ClusterQueue
    from qwex_kueue.objects import LocalQueue
    from qwex_kueue.settings import KueueSettings

__all__ = ["Demand", "Flavor", "Known", "Node", "look", "report"]

_RUNS = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"


class Node(NamedTuple):
    """A node, and what it gives out beside cores and memory: healthy ones, and all, by resource."""

    name: str
    labels: Mapping[str, str]
    healthy: Mapping[str, int]
    all: Mapping[str, int]
    #: Why it takes no new pods; empty when it does.
    problem: str

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Node:
        """From the API's object."""
        metadata, status = raw["metadata"], raw.get("status") or {}
        ready = Condition.all_of(raw).get("Ready")
        problem = "is cordoned: it takes no new jobs" if (raw.get("spec") or {}).get("unschedulable") else ""
        if ready is None or not ready.status:
            problem = "is not ready: it takes no new jobs"
        healthy, every = (_extended(status.get(each) or {}) for each in ("allocatable", "capacity"))
        return cls(metadata["name"], metadata.get("labels") or {}, healthy, {**healthy, **every}, problem)


class Demand(NamedTuple):
    """What a pod holds of its node."""

    node: str
    asked: Mapping[str, float]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Demand:
        """From the API's object. Containers that run one after the other hold what the largest of them asks for."""
        spec = raw["spec"]
        asked = summed(requested(spec))
        for container in spec.get("initContainers") or ():
            first = summed([(container.get("resources") or {}).get("requests") or {}])
            asked = {name: max(asked.get(name, 0.0), first.get(name, 0.0)) for name in {**asked, **first}}
        return cls(spec.get("nodeName") or "", {name: number for name, number in asked.items() if "/" in name})


class Flavor(NamedTuple):
    """A ResourceFlavor: the labels of the nodes that it is about."""

    name: str
    labels: Mapping[str, str]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Flavor:
        """From the API's object."""
        return cls(raw["metadata"]["name"], (raw.get("spec") or {}).get("nodeLabels") or {})


class Known(NamedTuple):
    """What could be read; None where it could not, ``refused`` has those for which a right is missing."""

    queues: Mapping[str, LocalQueue]
    clusters: Mapping[str, ClusterQueue]
    nodes: list[Node] | None = None
    demands: list[Demand] | None = None
    flavors: list[Flavor] | None = None
    refused: Collection[str] = ()


async def look(beyond: Beyond, queues: Mapping[str, LocalQueue], clusters: Mapping[str, ClusterQueue]) -> Known:
    """Ask for all that there is to know."""
    nodes, demands, flavors = await asyncio.gather(
        beyond.listed("/api/v1/nodes", Node.of, refusable="nodes"),
        beyond.listed("/api/v1/pods", Demand.of, refusable="pods", fieldSelector=_RUNS),
        beyond.listed("/apis/kueue.x-k8s.io/v1beta2/resourceflavors", Flavor.of, refusable="resourceflavors"),
    )
    kinds = ("nodes", "pods", "resourceflavors", "clusterqueues")
    refused = {kind for kind in kinds if not beyond.may_read(kind)}
    return Known(queues, clusters, nodes, demands, flavors, refused)


def report(known: Known, settings: KueueSettings, backend: str) -> GpuReport:
    """What there is of GPUs, in what each queue has left of them, and what of that could not be read."""
    return _Report(known, settings, backend).made()


class _Part(NamedTuple):
    """One kind's part in what was looked at: on a node, or of a queue's flavor."""

    device: Device
    type: str
    labels: Mapping[str, str]
    node: GpuNode | None = None
    total: int | None = None


class _Report:
    def __init__(self, known: Known, settings: KueueSettings, backend: str) -> None:
        self._known = known
        self._settings = settings
        self._backend = backend
        self._flavors = {each.name: each.labels for each in known.flavors or ()}
        #: Nodes that pods of this site may go to.
        self._nodes = [each for each in known.nodes or () if _has(each.labels, settings.node_selector)]

    def made(self) -> GpuReport:
        parts = list(self._on_nodes() if self._known.nodes is not None else self._of_quotas())
        kinds: dict[tuple[str, Device], list[_Part]] = {}
        for part in parts:
            kinds.setdefault((part.type, part.device._replace(replicas=1)), []).append(part)
        notes = (*self._rights(), *self._naming(kinds))
        # First what has a name to ask for it by, last what nothing asks for.
        order = sorted(kinds, key=lambda key: (key[0] in ("", "1"), not key[0], key))
        found = tuple(self._kind(kinds[key]) for key in order)
        return GpuReport(found, tuple(self._quotas()), notes)

    def _on_nodes(self) -> Iterator[_Part]:
        used = _used(self._known.demands or ())
        for node in self._nodes:
            for resource, total in node.all.items():
                if not (self._counts(resource) and total):
                    continue
                healthy = node.healthy.get(resource, 0)
                unhealthy = f"has {total - healthy} of {total} unhealthy" if healthy < total else ""
                free = None if self._known.demands is None else max(healthy - used.get((node.name, resource), 0), 0)
                seen = GpuNode(node.name, healthy, free, node.problem or unhealthy, not node.problem)
                type = self._type(resource, node.labels)
                yield _Part(device(resource, node.labels), type, node.labels, seen, healthy)

    def _of_quotas(self) -> Iterator[_Part]:
        """One for each flavor of GPUs that some queue has; a cluster queue behind several queues counts once."""
        clusters = {each.name: each for each in self._known.clusters.values()}
        for quota in (quota for cluster in clusters.values() for quota in cluster.flavors):
            if self._counts(quota.resource) and quota.nominal:
                yield self._of_flavor(quota.flavor, quota.resource, int(quota.nominal))
        unread = (each for name, each in self._known.queues.items() if name not in self._known.clusters)
        seen = {(flavor, resource) for each in unread for flavor, resource, _ in each.reserved}
        for flavor, resource in sorted(seen):
            if self._counts(resource):
                yield self._of_flavor(flavor, resource, None)

    def _of_flavor(self, flavor: str, resource: str, total: int | None) -> _Part:
        labels = self._flavors.get(flavor, {})
        found = device(resource, labels)
        return _Part(found if found.model else found._replace(model=f"flavor {flavor}"), self._type(resource, labels),
                     labels, None, total)  # fmt: skip

    def _kind(self, alike: list[_Part]) -> GpuKind:
        first = alike[0]
        nodes = tuple(part.node for part in alike if part.node)
        totals = [part.total for part in alike if part.total is not None]
        free = [node.free for node in nodes if node.usable and node.free is not None]
        shares = [part for part in alike if part.device.replicas > 1]
        return GpuKind(
            self._backend,
            first.type,
            first.device.model,
            first.device.memory,
            sum(totals) if totals else None,
            sum(free) if self._known.demands is not None and nodes else None,
            first.device.resource,
            first.device.profile,
            first.device.sharing,
            sum((part.total or 0) // part.device.replicas for part in shares) if shares else None,
            nodes=nodes,
        )

    def _quotas(self) -> Iterator[GpuQuota]:
        for name, queue in sorted(self._known.queues.items()):
            cluster = self._known.clusters.get(name)
            for quota in cluster.flavors if cluster else ():
                if self._counts(quota.resource):
                    yield GpuQuota(
                        self._backend,
                        name,
                        self._types(quota.flavor, quota.resource),
                        quota.used,
                        quota.nominal,
                        max(quota.nominal - quota.used, 0),
                        quota.borrowable,
                        quota.flavor,
                        quota.resource,
                    )
            for flavor, resource, used in queue.reserved if cluster is None else ():
                if self._counts(resource):
                    types = self._types(flavor, resource)
                    yield GpuQuota(self._backend, name, types, used, flavor=flavor, resource=resource)

    def _counts(self, resource: str) -> bool:
        return is_gpu(resource) or resource == self._settings.gpu_resource

    def _type(self, resource: str, labels: Mapping[str, str]) -> str:
        """What asks for it: the model of the configuration whose labels fit best, as jobs go by these."""
        if resource != self._settings.gpu_resource:
            return ""
        models = self._settings.gpu_labels
        fitting = [model for model, wanted in models.items() if wanted and _has(labels, wanted)]
        return max(fitting, key=lambda model: len(models[model]), default="1")

    def _types(self, flavor: str, resource: str) -> str:
        """Of a flavor's GPUs: those of the nodes that it is about, or what its own labels say."""
        if self._known.flavors is None:
            return ""
        labels = self._flavors.get(flavor, {})
        about = [each for each in self._nodes if each.all.get(resource) and _has(each.labels, labels)]
        types = {self._type(resource, each.labels) for each in about} or {self._type(resource, labels)}
        return ", ".join(sorted(types, key=lambda each: (each == "1", each))) or "-"

    def _rights(self) -> Iterator[str]:
        known, refused = self._known, self._known.refused
        unread = {"nodes": known.nodes, "pods": known.demands, "resourceflavors": known.flavors}
        missing = {kind: _how(kind, refused) for kind, found in unread.items() if found is None}
        quotas = bool(known.clusters)
        if known.queues and not quotas:
            missing["clusterqueues"] = _how("clusterqueues", refused)
        if "nodes" in missing:
            instead = "totals are those of the queues' quotas" if quotas else "how many there are is not known"
            yield f"nodes cannot be listed {missing['nodes']}: {instead}"
        elif "pods" in missing:
            yield f"the pods of all namespaces cannot be listed {missing['pods']}: how many are free is not known"
        elif not any(map(self._counts, (name for node in self._nodes for name in node.all))):
            yield f"no node has GPUs now; a device plugin makes them known, as {self._settings.gpu_resource}"
        if "clusterqueues" in missing:
            yield f"quotas cannot be read {missing['clusterqueues']}: what is left of them is not known"
        elif "resourceflavors" in missing:
            yield f"ResourceFlavors cannot be read {missing['resourceflavors']}: what GPUs a quota is for is not known"
        if asked := sorted(set(refused) & missing.keys()):
            yield f"the rights to read {listed(asked)} are optional: deploy/kueue/gpu-readers and quota-readers"

    def _naming(self, kinds: Mapping[tuple[str, Device], list[_Part]]) -> Iterator[str]:
        """How to ask for what has a model, and no name that jobs could ask for; and what they cannot ask for."""
        unnamed = [parts[0] for (type, found), parts in kinds.items() if type == "1" and short_name(found.model)]
        unnamed = [part for part in unnamed if label_of(part.device.resource, part.labels)]
        names = [_name(part.device) for part in unnamed]
        for name, part in zip(names, unnamed, strict=True):
            label = label_of(part.device.resource, part.labels)
            taken = names.count(name) > 1 or name in self._settings.gpu_labels
            model = f"{name}-{round(part.device.memory / (1 << 30))}GB" if taken else name
            yield f'--gpu {model} needs in [kueue.gpu_labels]: {model} = {{ "{label}" = "{part.labels[label]}" }}'
        if models := sorted(self._settings.gpu_labels) if not self._known.nodes and not self._known.flavors else ():
            yield f"by the configuration these can be asked for by name: {', '.join(models)}"
        others = sorted({found.resource for type, found in kinds if not type})
        if others:
            asks = f"--gpu asks for {self._settings.gpu_resource} ([kueue] gpu_resource)"
            yield f"{listed(others)} cannot be asked for here: {asks}"


def _name(device: Device) -> str:
    """``H100``, ``A100-1g.5gb``, ``T4-shared``: a part of a GPU is not called like a whole one."""
    parts = (short_name(device.model), device.profile, "shared" if device.sharing else "")
    return "-".join(part for part in parts if part)


def _how(kind: str, refused: Collection[str]) -> str:
    return "with your rights" if kind in refused else "now"


def _extended(amounts: Mapping[str, str]) -> dict[str, int]:
    return {name: int(quantity(text)) for name, text in amounts.items() if "/" in name}


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return wanted.items() <= labels.items()


def _used(demands: Iterable[Demand]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for demand in demands:
        for resource, number in demand.asked.items():
            key = (demand.node, resource)
            found[key] = found.get(key, 0) + int(number)
    return found
