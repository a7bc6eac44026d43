"""The keywords of ``qwex.submit`` and ``qwex.remote`` for type checkers; a test holds them equal to the options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Keywords"]


class Keywords(TypedDict, total=False):
    """Fields of ``qwex.options.SubmitOptions``; numbers and mappings are written as people write them."""

    gpu: int | str | None
    cpu: float | str | None
    mem: str | None
    queue: str | None
    priority: int | None
    time: float | str | None
    name: str | None
    env: Mapping[str, Any] | Sequence[str]
    retries: int | None
    retry_on: int | Sequence[int]
    python: str | None
    image: str | None
    workdir: str | None
    cwd: str | None
    tag: Mapping[str, Any] | Sequence[str]
    experiment: str | None
    backend: str | None
    option: Mapping[str, Any] | Sequence[str]
    no_preflight: bool
