"""The card of a job: one line, as plain text and as HTML, and the snapshot that qwex's own renderer draws."""

from __future__ import annotations

import time
from html import escape
from typing import TYPE_CHECKING, Any

from qwex.quantities import format_bytes, format_duration
from qwex.state import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qwex_magics.story import Story

__all__ = ["MIME", "bundle", "details", "line", "waiting"]

MIME = "application/vnd.qwex.job.v1+json"

_SIGNS = {
    JobState.PENDING: ("◌", "#8a8a8a"),
    JobState.QUEUED: ("◌", "#8a8a8a"),
    JobState.ADMITTED: ("◐", "#2f7fd8"),
    JobState.RUNNING: ("●", "#2f7fd8"),
    JobState.SUCCEEDED: ("✔", "#2e9e5b"),
    JobState.FAILED: ("✖", "#d64545"),
    JobState.CANCELLED: ("⦸", "#8a8a8a"),
}
#: A value's size is worth saying from here on.
_LARGE = 1_000_000


def bundle(story: Story, *, here: Sequence[str] = (), note: str = "") -> dict[str, Any]:
    """One mime bundle; ``here`` are the values already bound in the notebook, ``note`` what qwex is doing."""
    shown = line(story, here=here, note=note)
    snapshot = {
        **story.record.as_dict(),
        "why": dict(story.why) or None,
        "host": story.host,
        "duration": story.duration,
        "values": [{**value} for value in story.values.values()],
        "bound": list(here),
        "note": note,
        "line": shown,
    }
    return {MIME: snapshot, "text/html": _html(story, here, note), "text/plain": shown}


def line(story: Story, *, here: Sequence[str] = (), note: str = "") -> str:
    """``● train-7k3f9q  RUNNING since 14:03:12 · gpu-3``."""
    sign = _SIGNS[story.record.state][0]
    return f"{sign} {story.record.id}  {_sentence(story, here, note)}"


def details(story: Story) -> list[str]:
    """Further lines, for a job that waits or failed."""
    if story.record.state.terminal:
        return []
    return [str(suggestion) for suggestion in story.why.get("suggestions") or ()]


def waiting(why: Mapping[str, Any]) -> str:
    """``3rd in gpu-team, 11th in the cluster queue · waits for 1 GPU: 8 of 8 in use · starts in …``."""
    places = []
    if why.get("position"):
        places.append(f"{_ordinal(why['position'])} in {why.get('position_in') or 'the queue'}")
    if why.get("cluster_position"):
        places.append(f"{_ordinal(why['cluster_position'])} in the cluster queue")
    summary = why.get("summary") or ""
    # Some backends say the position in their sentence already.
    told = ", ".join(place for place in places if place not in summary)
    return " · ".join(part for part in (told, summary, _eta(why)) if part)


def _sentence(story: Story, here: Sequence[str], note: str) -> str:
    record = story.record
    if record.state is JobState.SUCCEEDED:
        return _joined(_ended("finished in", story), _returned(story, here), note)
    if record.state is JobState.FAILED:
        return _joined(_ended("failed after", story), _failure(story), note)
    if record.state is JobState.CANCELLED:
        return _joined(_ended("cancelled after", story) if record.started_at else "cancelled before it started", note)
    attempt = f"attempt {record.attempt} ({record.reason or 'started again'})" if record.attempt > 1 else ""
    if record.state is JobState.RUNNING:
        return _joined(f"RUNNING{_since(record.started_at)}", _where(story), attempt, note)
    return _joined(f"{record.state}", waiting(story.why) or record.message, attempt, note, first="  ")


def _joined(*parts: str, first: str = " · ") -> str:
    head, *tail = [part for part in parts if part]
    return head + (first + " · ".join(tail) if tail else "")


def _ended(words: str, story: Story) -> str:
    record, seconds = story.record, story.duration
    if seconds is None and record.started_at and record.ended_at:
        seconds = record.ended_at - record.started_at
    if seconds is None:
        return words.split()[0]
    return f"{words} {format_duration(seconds) if seconds >= 0.1 else f'{seconds * 1000:.0f} ms'}"


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


def _failure(story: Story) -> str:
    if story.error:
        text = f"{story.error.get('ename', 'Error')}: {story.error.get('evalue', '')}".partition("\n")[0]
        return text.rstrip(": ") if len(text) <= 120 else text[:119] + "…"
    return story.record.message or story.record.reason


def _where(story: Story) -> str:
    gpu = story.record.resources.get("gpu")
    wanted = "" if not gpu else f"{gpu} GPU" if gpu == "1" else f"{gpu} GPUs" if gpu.isdigit() else gpu
    return " · ".join(part for part in (wanted, story.host) if part)


def _since(moment: float | None) -> str:
    return f" since {time.strftime('%H:%M:%S', time.localtime(moment))}" if moment else ""


def _eta(why: Mapping[str, Any]) -> str:
    if not why.get("eta"):
        return ""
    low, high = why["eta"]
    basis = f" (from {why['basis']})" if why.get("basis") else ""
    if high < 90:
        return f"starts in {low:.0f}–{high:.0f} s{basis}"
    return f"starts in {low / 60:.0f}–{high / 60:.0f} min{basis}"


def _ordinal(number: int) -> str:
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


_BOX = "font-size:.95em;line-height:1.5;padding:.15em .6em;border-left:3px solid"
_SIGN = "display:inline-block;width:1.3em;color:"
_NAME = "font-weight:600;background:none;padding:0 .6em 0 0"
_MORE = "padding-left:1.3em;opacity:.75"


def _html(story: Story, here: Sequence[str], note: str) -> str:
    """Colours that read on white and on black; no script, no stylesheet: it must look right in a saved notebook."""
    sign, colour = _SIGNS[story.record.state]
    more = "".join(f'<div style="{_MORE}">{escape(text)}</div>' for text in details(story))
    return (
        f'<div class="qwex-job" role="status" style="{_BOX} {colour}"><div>'
        f'<span style="{_SIGN}{colour}" aria-hidden="true">{sign}</span>'
        f'<code style="{_NAME}">{escape(story.record.id)}</code>'
        f"{escape(_sentence(story, here, note))}</div>{more}</div>"
    )
