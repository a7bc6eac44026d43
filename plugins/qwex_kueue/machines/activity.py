"""What a machine says of itself in its container's log, as ``scripts/activity.sh`` writes it. Pure."""

from __future__ import annotations

from qwex.machines import Activity

__all__ = ["LINES", "RECENT", "newest"]

#: Lines of the log among which the newest is looked for: others are sshd's, a few for every login.
LINES = 400
#: Seconds for which a line is the present, four times what lies between two: who writes them may have ended.
RECENT = 80
_MARK = "qwex-activity "


def newest(log: str) -> Activity | None:
    """The last that was said; None where nothing was yet."""
    said = [line for line in log.splitlines() if line.startswith(_MARK)]
    if not said:
        return None
    try:
        now, active, *doing = said[-1].removeprefix(_MARK).split(" ", 2)
        return Activity(float(now), float(active), tuple(filter(None, (doing or [""])[0].split(";"))))
    except ValueError:
        return None  # the line was cut
