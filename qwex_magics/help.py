"""What ``%%qwex?`` and ``%qwex?`` show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.options import flags
from qwex_magics.arguments import CELL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qwex.options import Flag
    from qwex_magics.commands import Command

__all__ = ["cell_help", "command_help", "group_help", "line_help"]

_CELL = """\
%%qwex [flags]

Run the cell as a job: it waits in a queue, runs in a process of its own, and its output appears here as if the cell
had run in this notebook. It sees none of the notebook's variables but those sent with -i.

Examples
    %%qwex                                 run the cell as a job and wait for it
    %%qwex -i df -o model,history          send df along, bring model and history back
    %%qwex --gpu 1 --mem 16Gi --time 2h    with a GPU, 16 GiB, and at most 2 hours
    %%qwex --detach                        don't wait: the cell's result, Out[n] or _, is the Job
    %%qwex --cpu {cores} --env LR=$lr      {name} and $name are variables of the notebook
    %%qwex --env 'CFG={"lr": "$x"}'        text in single quotes is left alone

Flags
{flags}

Stop (the notebook's stop button, Ctrl-C) cancels the job; a second Stop no longer waits for its end.
The jobs: %qwex?
"""

_LINE = """\
%qwex COMMAND …

Look after jobs, wherever they were submitted.

Commands
{commands}

Examples
    %qwex list --status running,queued
    %qwex why train-7k3f9q
    %qwex cancel job                       job is a variable: the Job that --detach gave
    %qwex attach train-7k3f9q -o model     replay its output here, also after a restart of the kernel
    %qwex submit train.py --gpu 1 -- --lr 0.1
    %qwex machine create train --gpu 1     a box with ssh from the same queue: %qwex machine --help

A cell as a job: %%qwex?
"""


def cell_help() -> str:
    """The explanation of ``%%qwex``, with every flag."""
    return _CELL.replace("{flags}", _described((*CELL, *flags())))


def command_help(command: Command) -> str:
    """The explanation of one command of ``%qwex``, with every flag."""
    explained = f"%qwex {command.usage}\n\n{command.help}"
    return f"{explained}\n\nFlags\n{_described(command.flags)}" if command.flags else explained


def _described(known: Sequence[Flag]) -> str:
    rows = [(", ".join(s for s in (f.short, f.long) if s) + f" {f.metavar}".rstrip(), f) for f in known]
    width = max(len(spelled) for spelled, _ in rows)
    lines = [f"    {spelled:{width}}  {f.help}{' (may be repeated)' if f.many else ''}" for spelled, f in rows]
    return "\n".join(lines)


def line_help() -> str:
    """The explanation of ``%qwex``, with every command."""
    from qwex_magics.commands import COMMANDS

    return _LINE.replace("{commands}", _listed(COMMANDS))


def group_help(above: str, commands: Mapping[str, Command]) -> str:
    """The explanation of the commands under a name."""
    return f"%qwex {above}COMMAND …\n\nCommands\n{_listed(commands)}\n\nThe flags of one: %qwex {above}COMMAND --help"


def _listed(commands: Mapping[str, Command]) -> str:
    width = max(len(command.usage) for command in commands.values())
    return "\n".join(f"    {command.usage:{width}}  {command.help}" for command in commands.values())
