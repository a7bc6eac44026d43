"""A control group of the cluster's own, under which its kubelet makes those of pods; version 1 and 2."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

__all__ = ["make", "remove"]

_ROOT = Path("/sys/fs/cgroup")


def make(name: str) -> None:
    """Make the group in every hierarchy; those that are there are left as they are."""
    if (_ROOT / "cgroup.controllers").exists():
        controllers = (_ROOT / "cgroup.controllers").read_text().split()
        for controller in controllers:
            # Some cannot be given to children here; kubelet says which of them it misses.
            with suppress(OSError):
                (_ROOT / "cgroup.subtree_control").write_text(f"+{controller}")
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        # A cpuset without processors and memory takes no process.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (group / file).exists() and (hierarchy / file).exists() and not (group / file).read_text().strip():
                (group / file).write_text((hierarchy / file).read_text())


def remove(name: str) -> None:
    """Remove the group and all below it, which hold no process any more."""
    for hierarchy in _hierarchies():
        group = hierarchy / name
        if group.exists():
            for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                with suppress(OSError):
                    folder.rmdir()
            with suppress(OSError):
                group.rmdir()


def _hierarchies() -> list[Path]:
    """The mount points: one with version 2, one per controller with version 1."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return [path for path in _ROOT.iterdir() if (path / "cgroup.procs").exists() and not path.is_symlink()]
