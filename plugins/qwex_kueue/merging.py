"""A site's own pod template over qwex's: Kubernetes' strategic merge, as far as pod templates need it."""

from __future__ import annotations

from typing import Any

__all__ = ["merged"]

#: Lists that are merged by a key of their items, by name; all other lists are replaced. From the ``patchMergeKey`` of
#: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/.
_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
#: Added to, not replaced: a site's tolerations do not take away qwex's own.
_ADDED = frozenset({"tolerations"})


def merged(base: Any, patch: Any, name: str = "") -> Any:
    """``base`` with ``patch`` over it; None takes a key away."""
    if isinstance(base, dict) and isinstance(patch, dict):
        result = dict(base)
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merged(base[key], value, key) if key in base else value
        return result
    if isinstance(base, list) and isinstance(patch, list):
        if name in _ADDED:
            return [*base, *patch]
        if key := _KEYS.get(name):
            return _by_key(base, patch, key)
    return patch


def _by_key(base: list[Any], patch: list[Any], key: str) -> list[Any]:
    changes = {item.get(key): item for item in patch}
    kept = [merged(item, changes.pop(item.get(key))) if item.get(key) in changes else item for item in base]
    return [*kept, *changes.values()]
