"""What of a site's pod template would take from a pod what qwex needs of it, each with what to do instead. Pure."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

from qwex_kueue import names
from qwex_kueue.amounts import quantity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

__all__ = ["OTHER_LABELS", "problems", "taken_labels"]

OTHER_LABELS = "use a prefix of your own"
_RETRIES = "a job starts again by its retries"
_PROGRAM = "for another interpreter set python; what has to be done first goes into an init container, or the image"
_ASKED = "jobs ask for it with --cpu, --mem and --gpu; other resources may be added"
#: Fields of a pod by their path, and of qwex's own containers.
_POD: dict[tuple[str, ...], str] = {
    ("restartPolicy",): _RETRIES,
    ("terminationGracePeriodSeconds",): "it is made of a job's grace and the setting linger",
    ("activeDeadlineSeconds",): "jobs have a limit of their own, --time",
}
_CONTAINER: dict[tuple[str, ...], str] = {
    ("image",): "set image, or name one for a job with --image",
    ("command",): _PROGRAM,
    ("args",): _PROGRAM,
    ("workingDir",): "a job names its own with --cwd",
    ("restartPolicy",): _RETRIES,
    ("restartPolicyRules",): _RETRIES,
    ("terminationMessagePath",): "how the job ended is written there",
    ("lifecycle", "preStop"): "it lets a job hear that it is told to end; postStart may be added",
}
#: Where qwex's own containers stand; all others are the site's.
_OWN = {"containers": names.JOB, "initContainers": names.AGENT}
#: What of qwex's own volumes a site may set.
_VOLUMES = {"runner": {"name"}, "description": {"name"}, "job": {"name", "emptyDir"}, "work": {"name", "emptyDir"}}
#: Nothing may cover these; beneath the last one there may be mounts.
_FOLDERS, _WORK = ("/qwex/runner", "/qwex/description", "/qwex/job"), "/qwex/work"


def problems(template: Mapping[str, Any], counted: Collection[str]) -> Iterator[str]:
    """A sentence for each; ``counted`` are the resources that jobs themselves ask for."""
    if unknown := set(template) - {"metadata", "spec"}:
        yield f"a pod template has metadata and spec, not {', '.join(sorted(unknown))}"
    metadata, spec = template.get("metadata", {}), template.get("spec", {})
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        yield f"{'spec' if isinstance(metadata, dict) else 'metadata'} is a table"
        return
    for label in taken_labels(metadata.get("labels") or ()):
        yield _own(f"metadata.labels.{label}", OTHER_LABELS)
    yield from _taken("spec", spec, _POD)
    for kind in _OWN:
        yield from _containers(f"spec.{kind}", spec.get(kind, []), _OWN[kind], counted)
    yield from _volumes(spec.get("volumes", []))


def taken_labels(labels: Iterable[str]) -> Iterator[str]:
    """Those that qwex, or Kueue, goes by."""
    taken = (names.QUEUE, names.PRIORITY_CLASS)
    return (label for label in labels if label in taken or label.startswith("qwex.dev/"))


def _containers(where: str, containers: Any, own: str, counted: Collection[str]) -> Iterator[str]:
    if not _are_tables(containers, "name"):
        yield f"{where} is a list of tables, each with a name"
        return
    for each in containers:
        yield from _amounts(f"{where}[{each['name']}].resources", each.get("resources"))
        if each["name"] == own:
            yield from _container(f"{where}[{own}]", each, counted if own == names.JOB else ())
        elif each["name"] in _OWN.values():
            yield f"{where}[{each['name']}] is qwex's own, and stands elsewhere: see a job with --dry-run"


def _amounts(where: str, resources: Any) -> Iterator[str]:
    for kind in ("requests", "limits"):
        asked = resources.get(kind) if isinstance(resources, dict) else None
        for name, text in (asked if isinstance(asked, dict) else {}).items():
            try:
                quantity(str(text))
            except ValueError:
                yield f"{where}.{kind}.{name} is a quantity such as 500m or 2Gi, not {text!r}"


def _container(where: str, container: Mapping[str, Any], counted: Collection[str]) -> Iterator[str]:
    yield from _taken(where, container, _CONTAINER)
    yield from _taken(where, container, {("resources", "requests", name): _ASKED for name in counted})
    # More cores than its request a job may use or not as the site wants.
    yield from _taken(where, container, {("resources", "limits", name): _ASKED for name in counted if name != "cpu"})
    mounts = container.get("volumeMounts", [])
    if not _are_tables(mounts, "mountPath"):
        yield f"{where}.volumeMounts is a list of tables, each with a mountPath"
        return
    for each in mounts:
        path = "/" + posixpath.normpath(each["mountPath"]).lstrip("/")
        if any(_is_in(folder, path) or _is_in(path, folder) for folder in _FOLDERS) or _is_in(_WORK, path):
            yield _own(f"{where}.volumeMounts {path}", f"mount it elsewhere, or beneath {_WORK}")


def _volumes(volumes: Any) -> Iterator[str]:
    if not _are_tables(volumes, "name"):
        yield "spec.volumes is a list of tables, each with a name"
        return
    for each in volumes:
        if taken := set(each) - _VOLUMES.get(each["name"], set(each)):
            yield _own(f"spec.volumes[{each['name']}].{min(taken)}", "give the volume another name")


def _taken(where: str, patch: Mapping[str, Any], own: Mapping[tuple[str, ...], str]) -> Iterator[str]:
    for path, instead in own.items():
        if _has(patch, path):
            yield _own(".".join((where, *path)), instead)


def _has(patch: Any, path: tuple[str, ...]) -> bool:
    """Whether the patch sets that field, or takes away what it is in."""
    for key in path:
        if patch is None:
            break
        if not isinstance(patch, dict) or key not in patch:
            return False
        patch = patch[key]
    return True


def _is_in(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _are_tables(items: Any, key: str) -> bool:
    return isinstance(items, list) and all(isinstance(each, dict) and isinstance(each.get(key), str) for each in items)


def _own(field: str, instead: str) -> str:
    return f"{field} is qwex's own: {instead}"
