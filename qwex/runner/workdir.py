"""A folder that came along with the job: unpacked beside it, and nowhere else."""

from __future__ import annotations

import io
import os
import tarfile

from . import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["unpack"]

#: More than whoever packs one may put in: what unpacks to more was not packed by us.
_MOST_BYTES, _MOST_FILES = 1_000_000_000, 100_000


def unpack(value: dict[str, Any], blobs: dict[str, str], folder: str) -> str:
    """Unpack the archive into ``folder``/work, which is returned.

    Raises:
        ValueError: it cannot be read, or something in it leads elsewhere or is too much.
    """
    place = os.path.join(folder, "work")
    os.makedirs(place, mode=0o700, exist_ok=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(values.data_of(value, blobs)), mode="r:gz") as archive:
            members = _checked(archive)
            # Folders and files first: nothing is written through a link.
            for member in sorted(members, key=lambda each: each.issym()):
                archive.extract(member, place, set_attrs=not member.issym(), **_FILTER)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ValueError(f"the working folder that came along cannot be unpacked: {error}") from error
    return place


#: Where Python has it (3.12, and later releases of those before), its own check comes on top.
_FILTER: dict[str, Any] = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}


def _checked(archive: tarfile.TarFile) -> list[tarfile.TarInfo]:
    members: list[tarfile.TarInfo] = []
    total = 0
    for member in archive:
        total += member.size
        if len(members) >= _MOST_FILES or total > _MOST_BYTES:
            raise ValueError("the working folder that came along is too large")
        if not (member.isfile() or member.isdir() or member.issym()) or not _is_inside(member.name):
            raise ValueError(f"the working folder that came along holds {member.name[:100]!r}, which leads out of it")
        if member.issym():
            target = os.path.join(os.path.dirname(member.name), member.linkname)
            if os.path.isabs(member.linkname) or not _is_inside(target):
                raise ValueError(f"the link {member.name[:100]!r} leads out of the working folder that came along")
        members.append(member)
    return members


def _is_inside(path: str) -> bool:
    normal = os.path.normpath(path)
    return not os.path.isabs(path) and normal != ".." and not normal.startswith("../")
