"""Server-sent events as a test reads them."""

from __future__ import annotations

import json

__all__ = ["parse_frames", "states"]


def parse_frames(data: bytes):
    """``(id, event, data)`` of each frame."""
    found = []
    for block in data.split(b"\n\n"):
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if b": " in line and line[:1] != b":")
        if b"data" in fields:
            found.append((int(fields.get(b"id", 0)), fields[b"event"].decode(), json.loads(fields[b"data"])))
    return found


def states(frames):
    return [data["state"] for _, event, data in frames if event == "state"]
