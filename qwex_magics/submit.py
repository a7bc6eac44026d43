"""``%%qwex`` and ``%qwex submit``: a cell, a script or a command becomes a job."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwex.client.workfile import of_file
from qwex.options import SubmitOptions
from qwex.spec import JobSpec, Source, mint_run_id, validated
from qwex_magics import arguments, cell, values
from qwex_magics.follow import Detached, Follower
from qwex_magics.help import cell_help
from qwex_magics.hints import Sent
from qwex_magics.session import client, defaults
from qwex_magics.table import why_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from IPython.core.interactiveshell import InteractiveShell

    from qwex.capture.values import Packed
    from qwex.client import Client, Job
    from qwex_magics.arguments import Request

__all__ = ["run_cell", "run_script"]


def run_cell(shell: InteractiveShell, line: str, body: str) -> Job | None:
    """Submit the cell and follow it to its end, or give its Job with ``--detach``.

    Raises:
        UsageError: the line is wrong; lists every problem, and nothing was submitted.
        CellSyntaxError: the cell is not Python; nothing was submitted.
        QwexError: it could not be submitted, or what ``Follower.run`` raises.
    """
    if arguments.asks_help(line):
        print(cell_help())  # noqa: T201
        return None
    wanted = arguments.request(line, shell.user_ns, defaults())
    above = cell.lines_above(shell, body)
    code = cell.check(shell, body, above)
    arguments.refuse(values.missing(wanted.inputs, shell.user_ns))
    packed = values.pack(wanted.inputs, shell.user_ns)
    spec = _spec(shell, wanted, _source(shell, body, above), packed)
    connected = client()
    if wanted.dry_run:
        _show_plan(connected, spec)
        return None
    values.upload(connected, packed)
    job = _submitted(connected, spec)
    if wanted.detach:
        return job
    sent = Sent(code, wanted.inputs)
    Follower(shell, connected, job.record, outputs=wanted.outputs, quiet=wanted.quiet, sent=sent).run()
    return None


def run_script(
    shell: InteractiveShell,
    raw: Mapping[str, Any],
    script: Sequence[str],
    words: Sequence[str],
    parameters: Mapping[str, Any],
    *,
    wait: bool,
    dry_run: bool,
    quiet: bool,
) -> Job | None:
    """Submit a script, notebook or job spec, or without one the words as a command; its Job unless it waited for it.

    ``raw`` are fields of ``SubmitOptions``, ``parameters`` those of a notebook.
    """
    from qwex.client import sdk

    if script:
        spec = of_file(Path(script[0]), words, raw, defaults(), spell=_spell, parameters=parameters)
    else:
        spec = sdk.command(words, SubmitOptions.read(raw, defaults()))
    connected = client()
    if dry_run:
        _show_plan(connected, spec)
        return None
    job = _submitted(connected, spec)
    if not wait:
        return job
    Follower(shell, connected, job.record, quiet=quiet).run()
    return None


def _spell(words: Sequence[str]) -> str:
    return f"%qwex submit -- {shlex.join(words)}"


def _source(shell: InteractiveShell, body: str, above: int) -> Source:
    count = cell.number(shell)
    source: Source = validated(Source, kind="cell", text=body, name="cell", line_offset=above, execution_count=count)
    return source


def _spec(shell: InteractiveShell, wanted: Request, source: Source, packed: Mapping[str, Packed]) -> JobSpec:
    place = cell.notebook(shell)
    return wanted.options.spec(
        source,
        name=wanted.options.name or cell.stem(place.get("path", "")) or None,
        inputs={name: each.value for name, each in packed.items()},
        outputs=wanted.outputs,
        notebook=place or None,
    )


def _submitted(connected: Client, spec: JobSpec) -> Job:
    """The job, recorded for good.

    Raises:
        Detached: interrupted on the way; the message says by which name to look for the job.
    """
    run_id = mint_run_id(spec.title)
    try:
        return connected.submit(spec, run_id=run_id)
    except KeyboardInterrupt:
        look = f"See whether it was: %qwex status {run_id}"
        raise Detached(f"interrupted while {run_id} was being submitted. {look}") from None


def _show_plan(connected: Client, spec: JobSpec) -> None:
    """Print what would be sent, and what would happen to it now."""
    why, rendered = connected.preflight(spec)
    print(rendered if why is None else f"{rendered}\n{why_text(why)}")  # noqa: T201
