"""The kit's jobs. Each ends by itself soon after the kit's time limit, so that a broken backend leaves nothing."""

from __future__ import annotations

import textwrap
from typing import Any

from qwex.spec import JobSpec, validated

__all__ = ["cell", "command", "script", "stubborn", "waiting"]


def script(text: str, **fields: Any) -> JobSpec:
    """A job that runs ``text`` as a script; ``fields`` are further fields of ``JobSpec``."""
    return _spec({"kind": "script", "text": textwrap.dedent(text), "name": "kit.py"}, fields)


def cell(text: str, **fields: Any) -> JobSpec:
    """A job that runs ``text`` as a notebook's cell."""
    return _spec({"kind": "cell", "text": textwrap.dedent(text), "name": "cell", "execution_count": 1}, fields)


def command(*words: str, **fields: Any) -> JobSpec:
    """A job that runs a program."""
    return _spec({"kind": "command"}, {"args": words, **fields})


def waiting(seconds: float, **fields: Any) -> JobSpec:
    """Prints ``ready`` and then does nothing for ``seconds``."""
    return script(f"import time\nprint('ready', flush=True)\ntime.sleep({seconds})", **fields)


def stubborn(seconds: float, **fields: Any) -> JobSpec:
    """Prints ``ready`` and ``seconds`` long answers every SIGTERM with ``saving`` and goes on."""
    text = f"""
        import signal, time
        signal.signal(signal.SIGTERM, lambda *_: print("saving", flush=True))
        print("ready", flush=True)
        end = time.monotonic() + {seconds}
        while time.monotonic() < end:
            time.sleep(0.05)
    """
    return script(text, **fields)


def _spec(source: dict[str, Any], fields: dict[str, Any]) -> JobSpec:
    spec: JobSpec = validated(JobSpec, source=source, **fields)
    return spec
