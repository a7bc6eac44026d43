"""What is known to be wrong before a submit, and a refusal in the words of the flags."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qwex.errors import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from qwex.client import Client
    from qwex.spec import JobSpec

__all__ = ["named_as_flags", "places"]

#: ``qwex.backend.Capability.INHERITS_ENVIRONMENT``, without the import of it all.
_INHERITS = "inherits-environment"


def places(client: Client, spec: JobSpec) -> None:
    """Refuse an interpreter or a folder that is not there, for a job that runs on this machine.

    Raises:
        InvalidSpec: lists both.
    """
    problems = [*_folder(spec), *_interpreter(spec)]
    if problems and not client.settings.url and _runs_here(client, spec):
        raise InvalidSpec("; ".join(f"{field}: {said}" for field, said in problems), problems=problems)


def _folder(spec: JobSpec) -> Iterator[tuple[str, str]]:
    if spec.cwd and not os.path.isdir(spec.cwd):
        yield "cwd", f"no folder {spec.cwd!r} on this machine"


def _interpreter(spec: JobSpec) -> Iterator[tuple[str, str]]:
    """Looked up as the queue on this machine does: a path from the job's folder, a bare name on its PATH."""
    python = spec.runtime.python
    if python is None:
        return
    path = os.path.join(spec.cwd, os.path.expanduser(python)) if os.sep in python else python
    if not shutil.which(path, path=spec.env.get("PATH")):
        yield "python", f"no interpreter {python!r} on this machine"


def _runs_here(client: Client, spec: JobSpec) -> bool:
    name = spec.backend or client.settings.backend or client.health().get("default_backend")
    return any(backend["name"] == name and _INHERITS in backend["capabilities"] for backend in client.backends())


@contextmanager
def named_as_flags(options: Collection[str]) -> Iterator[None]:
    """Name problems with these options of a backend as they were given: ``--option nice``."""
    try:
        yield
    except InvalidSpec as error:
        if not any(field in options for field, _ in error.problems):
            raise
        problems = [(f"--option {field}" if field in options else field, said) for field, said in error.problems]
        raise InvalidSpec("; ".join(f"{field}: {said}" for field, said in problems), problems=problems) from None
