"""What would have helped: names that a cell uses, that the notebook has, and that were not sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["Sent", "unsent"]

_UNDEFINED = re.compile(r"name '([^\W\d]\w*)' is not defined")


@dataclass(frozen=True)
class Sent:
    """A cell that was submitted from here, and the variables that went with it."""

    #: As plain Python.
    code: str
    inputs: Sequence[str] = ()


def unsent(error: Mapping[str, Any], sent: Sent | None, shell: InteractiveShell) -> list[str]:
    """One line after a NameError about a variable of the notebook, else none."""
    match = _UNDEFINED.match(str(error.get("evalue", "")))
    if error.get("ename") != "NameError" or not match:
        return []
    namespace: dict[str, Any] = shell.user_ns
    first = match[1]
    if first not in namespace:
        return []
    if isinstance(namespace[first], ModuleType):
        return [f"{first} is a module that the notebook has imported: import it in this cell too."]
    others = [name for name in _free_names(sent) if name in namespace and name not in shell.user_ns_hidden]
    data = [name for name in others if name != first and not isinstance(namespace[name], ModuleType)]
    names = [first, *data]
    return [f"{_listed(names)} used but {'was' if len(names) == 1 else 'were'} not sent: add -i {','.join(names)}"]


def _free_names(sent: Sent | None) -> list[str]:
    if sent is None:
        return []
    from qwex.capture.names import free_names

    return sorted(set(free_names(sent.code)) - set(sent.inputs))


def _listed(names: list[str]) -> str:
    return f"{names[0]} is" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} are"
