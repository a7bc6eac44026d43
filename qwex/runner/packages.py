"""Which distributions an interpreter has, as their folders are named: that takes a millisecond."""

from __future__ import annotations

import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["installed"]

#: "Recording installed projects" of the Python packaging specifications: name and version, each without hyphens.
_NAMED = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(-py[\d.]+)?\.(dist-info|egg-info)$")
#: Versions by name, by the folder and its time of change, which every installation in it changes.
_known: dict[tuple[str, int], dict[str, str]] = {}


def installed() -> dict[str, str]:
    """Versions by name; of two with one name the first counts, as for an import."""
    found: dict[str, str] = {}
    for entry in reversed(sys.path):
        found.update(_in_folder(entry))
    return found


def _in_folder(path: str) -> dict[str, str]:
    try:
        key = (path, os.stat(path or os.curdir).st_mtime_ns)
    except OSError:
        return {}
    if key not in _known:
        _known[key] = dict(_named(path))
    return _known[key]


def _named(path: str) -> Iterator[tuple[str, str]]:
    try:
        names = os.listdir(path or os.curdir)
    except OSError:  # a zip file
        return
    for name in names:
        if match := _NAMED.match(name):
            yield re.sub(r"[-_.]+", "-", match["name"]).lower(), match["version"]
