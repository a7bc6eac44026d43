"""Values that are secret, by the names of the variables that hold them; MLflow is read by more people than a job is."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["hidden", "secrets_of"]

_SECRET = re.compile(r"token|secret|passw|credential|api_?key|access_?key|private|(^|_)(key|auth|pat)$", re.IGNORECASE)
#: What is shorter would be found everywhere.
_SHORTEST = 8
HIDDEN = "••••"


def hidden(name: str, value: str) -> str:
    """The value as it may be shown."""
    return HIDDEN if value and _SECRET.search(name) else re.sub(r"(://[^/@\s:]*:)[^/@\s]+@", rf"\1{HIDDEN}@", value)


def secrets_of(env: Mapping[str, str], environment: Path | None) -> frozenset[str]:
    """The secret values in a job's variables, longest first to be replaced."""
    given = _in_file(environment) if environment else frozenset()
    return given | _among(env)


@lru_cache(maxsize=16)
def _in_file(path: Path) -> frozenset[str]:
    try:
        return _among(json.loads(path.read_bytes()))
    except OSError:
        return frozenset()


def _among(variables: Mapping[str, str]) -> frozenset[str]:
    return frozenset(value for name, value in variables.items() if len(value) >= _SHORTEST and _SECRET.search(name))
