"""The binaries of a cluster, built from Go modules once and kept.

Each module has its own ``go.mod`` and ``go.sum`` in ``modules/``, so that their dependencies never mix. Go's own build
cache makes an interrupted build go on where it was.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness import gobuild, places
from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Binaries", "binaries", "build"]

_MODULES = Path(__file__).parent / "modules"
#: Kueue 0.19 and Kubernetes 1.36 say so in their go.mod.
_GO = (1, 26)
_KUBERNETES, _KUEUE = "v1.36.4", "v0.19.2"
#: Counts the ways in which manifests were cut, so that those of another way are not taken for these.
_MANIFESTS = "manifests-2"
#: Kueue exits when the API server's version is what an unstamped build says.
_STAMPS = [
    f"-X k8s.io/{package}.{key}={value}"
    for package in ("component-base/version", "client-go/pkg/version")
    for key, value in (
        ("gitVersion", _KUBERNETES),
        ("gitMajor", "1"),
        ("gitMinor", "36"),
        ("gitTreeState", "clean"),
    )
]


@dataclass(frozen=True)
class _Target:
    """What one ``go build`` makes."""

    module: str
    packages: tuple[str, ...]
    stamps: tuple[str, ...] = ()
    #: Where the binary's name is not the last word of its package.
    renamed: tuple[tuple[str, str], ...] = ()
    cgo: bool = False
    minutes: float = 1


_TARGETS = (
    _Target("etcd", ("go.etcd.io/etcd/server/v3",), renamed=(("server", "etcd"),)),
    _Target(
        "kubernetes",
        tuple(
            f"k8s.io/kubernetes/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
        ),
        stamps=tuple(_STAMPS),
        minutes=5,
    ),
    _Target("kubernetes", ("k8s.io/kubernetes/cmd/kubelet",), stamps=tuple(_STAMPS), cgo=True, minutes=3),
    _Target(
        "kueue",
        ("sigs.k8s.io/kueue/cmd/kueue",),
        stamps=(f"-X sigs.k8s.io/kueue/pkg/version.GitVersion={_KUEUE}",),
        minutes=4,
    ),
    _Target("kwok", ("sigs.k8s.io/kwok/cmd/kwok",), minutes=2),
)


@dataclass(frozen=True)
class Binaries:
    """A folder of built programs, and the manifests that came with their modules."""

    folder: Path

    def __getitem__(self, name: str) -> str:
        """The path of one program."""
        return str(self.folder / "bin" / name)

    @property
    def manifests(self) -> Path:
        """``crds.json`` and ``webhooks.json`` of Kueue; ``stages/`` of kwok."""
        return self.folder / _MANIFESTS


def binaries() -> Binaries:
    """What was built.

    Raises:
        ClusterError: it was not, or not all of it.
    """
    found = Binaries(_place(_go()))
    if not found.manifests.exists():
        raise ClusterError(
            "The cluster's programs are not built yet. Run: make cluster-build (about 20 minutes on 2 cores, once)."
        )
    return found


def build(say: Callable[[str], None]) -> Binaries:
    """Build what is missing; done before, it returns at once.

    Raises:
        ClusterError: something that a build needs is missing, or a build failed.
    """
    go = _go()
    if not shutil.which("gcc") and not shutil.which("cc"):
        raise ClusterError("kubelet is built with cgo and no C compiler is here; on Debian: apt-get install gcc")
    place = _place(go)
    with places.locked(place.with_suffix(".lock"), lambda: say("another build runs; waiting for it")):
        found = Binaries(place)
        if not found.manifests.exists():
            (place / "bin").mkdir(parents=True, exist_ok=True)
            for target in _TARGETS:
                _build(go, target, place / "bin", say)
            part = place / "manifests.part"
            shutil.rmtree(part, ignore_errors=True)
            _kueue_manifests(_module_folder(go, "kueue", "sigs.k8s.io/kueue"), part)
            _kwok_stages(_module_folder(go, "kwok", "sigs.k8s.io/kwok"), part / "stages")
            part.rename(found.manifests)
    say(f"all programs are in {place / 'bin'}")
    return found


def _go() -> str:
    """The go command, new enough."""
    return gobuild.command(
        _GO, _MODULES / "kueue", "The cluster's programs are built", "name an existing cluster in QWEX_TEST_KUBECONFIG"
    )


def _place(go: str) -> Path:
    """A folder named for everything that goes into it."""
    inputs: list[bytes | str] = [gobuild.version(go, _MODULES / "kueue"), platform.machine(), repr(_TARGETS)]
    inputs += [path.read_bytes() for path in sorted(_MODULES.glob("*/go.*"))]
    return places.cache() / places.digest(inputs)


def _build(go: str, target: _Target, folder: Path, say: Callable[[str], None]) -> None:
    """One ``go build``; programs that are there are left alone."""
    renamed = dict(target.renamed)
    words = [package.removesuffix("/v3").rpartition("/")[2] for package in target.packages]
    names = [renamed.get(word, word) for word in words]
    if all((folder / name).exists() for name in names):
        return
    say(f"{', '.join(names)}: building, about {target.minutes:g} min the first time")
    part = folder.with_name(f"part-{target.module}")
    gobuild.build(
        go, _MODULES / target.module, target.packages, part, say, names=names, stamps=target.stamps, cgo=target.cgo
    )
    for program in part.iterdir():
        program.replace(folder / renamed.get(program.name, program.name))
    part.rmdir()


def _module_folder(go: str, module: str, path: str) -> Path:
    command = [go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", path]
    return Path(
        subprocess.run(command, cwd=_MODULES / module, capture_output=True, text=True, check=True).stdout.strip()
    )


def _kueue_manifests(module: Path, folder: Path) -> None:
    """Kueue's CRDs with v1beta2 alone, and the webhooks of the kinds that its configuration here manages."""
    folder.mkdir(parents=True, exist_ok=True)
    crds = [crd for file in sorted((module / "config/components/crd/bases").glob("*.yaml")) for crd in _documents(file)]
    for crd in crds:
        versions = crd["spec"]["versions"]
        # One version needs no conversion webhook.
        versions = [version for version in versions if version["name"] == "v1beta2"] or versions[-1:]
        crd["spec"]["versions"] = [{**version, "served": True, "storage": True} for version in versions]
        crd["spec"].pop("conversion", None)
    (folder / "crds.json").write_text(json.dumps(crds))
    configurations = _documents(module / "config/components/webhook/manifests.yaml")
    for configuration in configurations:
        configuration["metadata"]["name"] = "kueue-" + configuration["metadata"]["name"]
        configuration["webhooks"] = [hook for hook in configuration["webhooks"] if _managed(hook)]
    (folder / "webhooks.json").write_text(json.dumps(configurations))


def _managed(hook: dict[str, Any]) -> bool:
    kinds = {(group, kind) for rule in hook["rules"] for group in rule["apiGroups"] for kind in rule["resources"]}
    ours = {("batch", "jobs"), ("", "pods"), ("apps", "statefulsets")}
    return any(group == "kueue.x-k8s.io" or (group, kind.partition("/")[0]) in ours for group, kind in kinds)


def _kwok_stages(module: Path, folder: Path) -> None:
    """A node that is Ready, and pods that run as long as their annotation says."""
    folder.mkdir(parents=True, exist_ok=True)
    stages = module / "kustomize/stage"
    files = [
        stages / "node/fast/node-initialize.yaml",
        stages / "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    ]
    for file in files:
        # Files of the module cache are read-only, and so would their copies be.
        (folder / file.name).write_bytes(file.read_bytes())
    for file in (stages / "pod/general").glob("pod-*.yaml"):
        (stage,) = _documents(file)
        # As shipped, every step takes a random time of up to five seconds.
        stage["spec"]["delay"]["durationMilliseconds"] = 1000 if file.name == "pod-complete.yaml" else 0
        stage["spec"]["delay"].pop("jitterDurationMilliseconds", None)
        (folder / file.name).write_text(yaml.safe_dump(stage))


def _documents(file: Path) -> list[dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with file.open() as stream:
        return [document for document in yaml.load_all(stream, loader) if document]
