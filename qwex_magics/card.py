"""The card of a job: one line, as plain text and as HTML, and the snapshot that qwex's own renderer draws."""

from __future__ import annotations

import time
from dataclasses import asdict
from html import escape
from typing import TYPE_CHECKING, Any

from qwex.client.answers import why_of
from qwex.client.show import CARD
from qwex.quantities import format_bytes
from qwex.state import JobState
from qwex.wording import SIGNS, attempt, cause, ended, joined, remedy, standing
from qwex_magics import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qwex.record import JobRecord
    from qwex_magics.story import Story

__all__ = ["bundle", "details", "line"]

_COLOURS = {
    JobState.PENDING: "#8a8a8a",
    JobState.QUEUED: "#8a8a8a",
    JobState.ADMITTED: "#2f7fd8",
    JobState.RUNNING: "#2f7fd8",
    JobState.SUCCEEDED: "#2e9e5b",
    JobState.FAILED: "#d64545",
    JobState.CANCELLED: "#8a8a8a",
}
#: The most of a failure's message that the line holds; the traceback below has all of it.
_LONGEST = 120
#: A value's size is worth saying from here on.
_LARGE = 1_000_000


def bundle(story: Story, *, here: Sequence[str] = (), note: str = "") -> dict[str, Any]:
    """One mime bundle; ``here`` are the values already bound in the notebook, ``note`` what qwex is doing."""
    shown = line(story, here=here, note=note)
    snapshot = {
        **story.record.as_dict(),
        "why": dict(story.why) or None,
        "host": story.host,
        "values": [{**value} for value in story.values.values()],
        "metrics": [asdict(metric) for metric in story.metrics],
        "bound": list(here),
        "note": note,
        "line": shown,
    }
    plain = "\n  ".join([shown, *(details(story) if story.record.state.terminal else ())])
    return {CARD: snapshot, "text/html": _html(story, here, note), "text/plain": plain}


def line(story: Story, *, here: Sequence[str] = (), note: str = "") -> str:
    """``● train-7k3f9q  RUNNING since 14:03:12 · gpu-3``."""
    return f"{SIGNS[story.record.state]} {story.record.id}  {_sentence(story, here, note)}"


def details(story: Story) -> list[str]:
    """Further lines: what would help a job that waits, what one that has ended has logged."""
    if story.record.state.terminal:
        return [metrics.line(story.metrics)] if story.metrics else []
    return [str(suggestion) for suggestion in story.why.get("suggestions") or ()]


def _sentence(story: Story, here: Sequence[str], note: str) -> str:
    record = story.record
    if record.state is JobState.SUCCEEDED:
        return joined(ended(record), _returned(story, here), note)
    if record.state is JobState.FAILED:
        return joined(ended(record), _shortened(cause(record)), _remedy(record), note)
    if record.state is JobState.CANCELLED:
        return joined(ended(record), note)
    if record.state is JobState.RUNNING:
        return joined(f"RUNNING{_since(record.started_at)}", _where(story), attempt(record), note)
    return joined(standing(record, why_of(dict(story.why)) if story.why else None), note)


def _remedy(record: JobRecord) -> str:
    command = remedy(record)
    return f"more memory: %qwex {command}" if command else ""


def _returned(story: Story, here: Sequence[str]) -> str:
    kept = [name for name in story.record.outputs if name not in here]
    parts = [", ".join(_sized(name, story) for name in here) + " → here"] if here else []
    if kept:
        names = ", ".join(_sized(name, story) for name in kept)
        parts.append(f"{names} kept: %qwex attach {story.record.id} -o {','.join(kept)}")
    return " · ".join(parts)


def _sized(name: str, story: Story) -> str:
    size = story.values.get(name, {}).get("size", 0)
    return f"{name} ({format_bytes(size)})" if size >= _LARGE else name


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _where(story: Story) -> str:
    gpu = story.record.resources.get("gpu")
    wanted = "" if not gpu else f"{gpu} GPU" if gpu == "1" else f"{gpu} GPUs" if gpu.isdigit() else gpu
    return " · ".join(part for part in (wanted, story.host) if part)


def _since(moment: float | None) -> str:
    return f" since {time.strftime('%H:%M:%S', time.localtime(moment))}" if moment else ""


_BOX = "font-size:.95em;line-height:1.5;padding:.15em .6em;border-left:3px solid"
_SIGN = "display:inline-block;width:1.3em;color:"
_NAME = "font-weight:600;background:none;padding:0 .6em 0 0"
_MORE = "padding-left:1.3em;opacity:.75"


def _html(story: Story, here: Sequence[str], note: str) -> str:
    """Colours that read on white and on black; no script, no stylesheet: it must look right in a saved notebook."""
    sign, colour = SIGNS[story.record.state], _COLOURS[story.record.state]
    more = "".join(f'<div style="{_MORE}">{escape(text)}</div>' for text in details(story))
    return (
        f'<div class="qwex-job" role="status" style="{_BOX} {colour}"><div>'
        f'<span style="{_SIGN}{colour}" aria-hidden="true">{sign}</span>'
        f'<code style="{_NAME}">{escape(story.record.id)}</code>'
        f"{escape(_sentence(story, here, note))}</div>{more}</div>"
    )
