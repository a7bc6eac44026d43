"""Values that are secret, by the names of the variables that hold them; MLflow is read by more people than a job is."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Secrets", "hidden"]

#: Not max_tokens, nor tokenizer.
_SECRET = re.compile(
    r"secret|passw|credential|api_?key|access_?key|private_?key|(^|_)(token|key|auth|pat)$"
    # Not the shell's own PWD and OLDPWD, which are folders.
    r"|(?<=.)(?<!^old)pwd$",
    re.IGNORECASE,
)
#: A password within an address, and the user that it is for.
_IN_ADDRESS = re.compile(r"://([^/@\s:]*):([^/@\s]+)@")
#: What is shorter would be found everywhere, and is a number as often as not.
_SHORTEST = 8
HIDDEN = "••••"


def hidden(name: str, value: str) -> str:
    """The value as it may be shown."""
    if len(value) >= _SHORTEST and _SECRET.search(name.replace("-", "_")):
        return HIDDEN
    return re.sub(r"(://[^/@\s:]*:)[^/@\s]+@", rf"\1{HIDDEN}@", value)


class Secrets:
    """The secret values in a job's variables. Not ``known`` where these cannot be read: then no text may go out."""

    def __init__(self, env: Mapping[str, str], environment: Path | None) -> None:
        self.known = True
        values = _among(env)
        try:
            values |= _in_file(environment) if environment else frozenset()
        except OSError:
            self.known = False
        self._values = _spellings(values)

    def without_a_rest(self, text: str) -> str:
        """The text without what its begin has of a secret that was cut there."""
        rests = (
            size for value in self._values for size in range(len(value) - 1, 0, -1) if text.startswith(value[-size:])
        )
        return text[max(rests, default=0) :]

    def cleaned(self, text: str) -> str:
        """The text without them, whatever part of a longer one a shorter is."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return text


def _spellings(values: Iterable[str]) -> list[str]:
    """Each as it is, within JSON, and line by line; the longest first."""
    found = set(values)
    for value in values:
        found |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
        found |= {line for line in value.splitlines() if len(line) >= 2 * _SHORTEST}
    return sorted(found, key=len, reverse=True)


@lru_cache(maxsize=16)
def _in_file(path: Path) -> frozenset[str]:
    return _among(json.loads(path.read_bytes()))


def _among(variables: Mapping[str, str]) -> frozenset[str]:
    named = {value for name, value in variables.items() if _SECRET.search(name)}
    return frozenset(value for value in named | _in_addresses(variables.values()) if len(value) >= _SHORTEST)


def _in_addresses(values: Iterable[str]) -> set[str]:
    """Passwords in addresses, as in a ``DATABASE_URL``; one that is the user's name is none."""
    found = {match.groups() for value in values for match in _IN_ADDRESS.finditer(value)}
    passwords = {password for user, password in found if password != user}
    return passwords | {unquote(each) for each in passwords}
