"""What the shell completes beyond flags: asked of a controller that runs already, never started for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.cli.connect import client
from qwex.errors import QwexError
from qwex.state import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from qwex.client import Client

__all__ = ["of"]

_JOBS = 200


def of(kind: str) -> Callable[[str], list[tuple[str, str]]] | None:
    """The function typer asks for completions of that kind: pairs of a word and what it is."""
    found = _KINDS.get(kind)
    if found is None:
        return None

    def complete(incomplete: str) -> list[tuple[str, str]]:
        try:
            return [pair for pair in found(client(start=False)) if pair[0].startswith(incomplete)]
        except QwexError:
            return []  # a shell has no place to show why

    return complete


def _jobs(client: Client) -> Iterable[tuple[str, str]]:
    return [(record.id, str(record.state)) for record in client.list(limit=_JOBS).records]


def _alive(client: Client) -> Iterable[tuple[str, str]]:
    alive = [state for state in JobState if not state.terminal]
    return [(record.id, str(record.state)) for record in client.list(state=alive, limit=_JOBS).records]


def _queues(client: Client) -> Iterable[tuple[str, str]]:
    return [(queue.name, queue.description) for queue in client.queues()]


def _backends(client: Client) -> Iterable[tuple[str, str]]:
    return [(str(backend["name"]), "") for backend in client.backends()]


def _states(client: Client) -> Iterable[tuple[str, str]]:
    return [(state.value.lower(), "") for state in JobState]


def _machines(client: Client) -> Iterable[tuple[str, str]]:
    from qwex.client.machinenames import machine_names

    return machine_names(client)


_KINDS = {
    "job": _jobs,
    "alive": _alive,
    "machine": _machines,
    "queue": _queues,
    "backend": _backends,
    "state": _states,
}
