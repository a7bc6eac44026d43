"""The card on the screen: shown once, then updated in place; in a terminal a line whenever it changes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from qwex_magics import card

if TYPE_CHECKING:
    from collections.abc import Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from qwex_magics.story import Story

__all__ = ["Panel"]


class Panel:
    """One display of a job's card under one display id. ``quiet`` shows nothing at all."""

    def __init__(self, shell: InteractiveShell, run_id: str, *, quiet: bool = False) -> None:
        self._shell: Any = shell
        # Two cells that follow one job have two cards; an update of one must not change the other.
        self._transient = {"display_id": f"qwex/{run_id}/{os.urandom(4).hex()}"}
        self._in_place = hasattr(shell, "kernel")
        self._quiet = quiet
        self._bundle: dict[str, Any] = {}

    def show(self, story: Story, *, here: Sequence[str] = (), note: str = "") -> None:
        """Show the story as it stands; nothing is sent when nothing a person would see has changed."""
        bundle = card.bundle(story, here=here, note=note)
        seen = self._bundle
        self._bundle = bundle
        if seen.get("text/html") != bundle["text/html"]:
            self._publish(update=bool(seen) and self._in_place)

    def cleared(self) -> None:
        """The cell's outputs were cleared, the card with them: show it again."""
        if self._bundle and self._in_place:
            self._publish(update=False)

    def _publish(self, *, update: bool) -> None:
        if not self._quiet:
            self._shell.display_pub.publish(data=self._bundle, metadata={}, transient=self._transient, update=update)
