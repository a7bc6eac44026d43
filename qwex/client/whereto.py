"""Where jobs and machines go that name no backend: the controller decides, by what it read when it started."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from qwex.config import config_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qwex.config import Settings

__all__ = ["difference", "warn"]

_AGAIN = "Start it anew: qwex controller stop ({what} go on, the next command starts it), or name one: {flag} {mine}"
_ITS_OWN = "Only a controller reads that, from {}; a project says: backend = {!r}"


def warn(settings: Settings, greeting: Mapping[str, Any], what: str = "jobs", flag: str = "--backend") -> None:
    """Say it as a warning where the controller that greeted so goes by another default; see ``difference``."""
    its = greeting.get("default_backend")
    if its and (said := difference(settings, its, what, flag)):
        warnings.warn(said, stacklevel=3)


def difference(settings: Settings, its: str, what: str = "jobs", flag: str = "--backend") -> str:
    """What to say when the settings here name another default than the controller's; empty when it is the same.

    It is said of ``what``, for which ``flag`` names a backend.
    """
    mine, origin = settings.values["default_backend"]
    if mine == its:
        return ""
    in_a_project = origin.endswith("qwex.toml")
    what_to_do = (
        _ITS_OWN.format(config_file(), mine) if in_a_project else _AGAIN.format(what=what, flag=flag, mine=mine)
    )
    said = "by default" if origin == "default" else f"by {origin}"
    where = f"{what} that name no backend go to {its!r}, as your controller was started; here it is {mine!r} {said}"
    return f"{where}. {what_to_do}"
