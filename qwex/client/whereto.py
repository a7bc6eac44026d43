"""Where jobs go that name no backend: the controller decides, by what it read when it started."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.config import config_file

if TYPE_CHECKING:
    from qwex.config import Settings

__all__ = ["difference"]

_AGAIN = "Start it anew: qwex controller stop ({what} go on, the next command starts it), or name one: {flag} {mine}"
_ITS_OWN = "Only a controller reads that, from {}; a project says: backend = {!r}"


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
