"""``qwex.submit`` and its siblings: the client as plain functions."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwex import config
from qwex.errors import InvalidSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Unpack

    from qwex.client.keywords import Keywords
    from qwex.client.show import Queues
    from qwex.client.sync import Client, Job, Jobs
    from qwex.config import Settings
    from qwex.options import SubmitOptions
    from qwex.spec import JobSpec

__all__ = ["attach", "client", "jobs", "options", "queues", "submit"]

_clients: dict[tuple[str, ...], Client] = {}


def client() -> Client:
    """The client for the settings as they are now; one is kept for each controller."""
    settings = config.load()
    key = (str(settings.folder), *(str(value) for value, _ in settings.values.values()))
    return _clients.get(key) or _clients.setdefault(key, _made(settings))


def _made(settings: Settings) -> Client:
    import atexit

    from qwex.client.sync import Client

    made = Client(settings)
    atexit.register(made.close)
    return made


def submit(
    work: str | Path | Sequence[str] | Callable[..., Any],
    *arguments: Any,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    outputs: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    **keywords: Unpack[Keywords],
) -> Job:
    """Submit a script or notebook (its path), a command (a list of words) or a function, and get a ``Job``.

    A path that ends in .yaml, .yml or .json is a job spec; the keywords win over it. A function is called with
    ``arguments`` and ``kwargs``; a script gets ``args``; a notebook gets ``parameters`` for names that its cell tagged
    ``parameters`` assigns. ``outputs`` are variables of a script or notebook to bring back. The other keywords are the
    flags of ``qwex submit``: gpu=1, mem="4Gi", queue="gpu-team", …

    Raises:
        InvalidSpec: lists every problem; nothing was submitted.
        CaptureError: a value that the function needs cannot be sent; names it.
    """
    given = options(**keywords)
    if parameters and not isinstance(work, (str, Path)):
        raise InvalidSpec.of("parameters", "only a notebook takes these")
    if callable(work):
        from qwex.client.function import submit_function

        return submit_function(work, (*arguments, *args), kwargs or {}, given)
    if kwargs or (arguments and args):
        raise InvalidSpec.of("kwargs" if kwargs else "args", "only a function takes these")
    words = [str(word) for word in (*arguments, *args)]
    if isinstance(work, (str, Path)):
        return client().submit(_file(Path(work), words, outputs, parameters or {}, keywords))
    return client().submit(command([*map(str, work), *words], given))


def options(**keywords: Any) -> SubmitOptions:
    """The keywords as options, over the defaults in the ``[submit]`` section of qwex.toml."""
    from qwex.options import SubmitOptions, project_defaults

    return SubmitOptions.read(_raw(keywords), defaults=project_defaults(config.load()))


def _file(
    path: Path, args: Sequence[str], outputs: Sequence[str], parameters: Mapping[str, Any], keywords: Mapping[str, Any]
) -> JobSpec:
    from qwex.client.workfile import of_file
    from qwex.options import project_defaults

    defaults = project_defaults(config.load())
    return of_file(path, args, _raw(keywords), defaults, spell=_spell, outputs=outputs, parameters=parameters)


def _spell(words: Sequence[str]) -> str:
    return f"qwex.submit({list(words)!r})"


def _raw(keywords: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _pairs(value) for name, value in keywords.items()}


def _pairs(value: Any) -> Any:
    return [f"{key}={text}" for key, text in value.items()] if isinstance(value, dict) else value


def command(words: Sequence[str], given: SubmitOptions) -> JobSpec:
    """The job that runs a program."""
    from qwex.spec import Source, validated

    name = words[0].rsplit("/", 1)[-1] if words else ""
    return given.spec(validated(Source, kind="command", name=name), args=tuple(words))


def jobs(
    *,
    user: str | None = None,
    state: Sequence[str] | str = (),
    queue: str | None = None,
    name: str | None = None,
    group: str | None = None,
    since: float | None = None,
    where: str | None = None,
    limit: int = 50,
) -> Jobs:
    """Your jobs (all you may see on a shared controller), newest first; shows itself as a table.

    ``where`` is a condition of MLflow's, such as ``metrics.loss < 0.1``.
    """
    from qwex.client.job import AsyncJob, AsyncJobs
    from qwex.client.sync import Jobs

    asked = client()
    wanted: dict[str, Any] = {"user": user, "state": state, "queue": queue, "name": name, "group": group}
    page = asked.list(**wanted, since=since, where=where, limit=limit)
    if page.missing:
        warnings.warn(f"there may be more: {page.missing}", stacklevel=2)
    return Jobs(AsyncJobs([AsyncJob(asked.inner, record) for record in page.records], total=page.total))


def attach(run_id: str) -> Job:
    """The job with that id, whoever submitted it.

    Raises:
        NotFound: there is none.
    """
    return client().job(run_id)


def queues() -> Queues:
    """The queues a job may name, as a list that shows itself as a table."""
    return client().queues()
