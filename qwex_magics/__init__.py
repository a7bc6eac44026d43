"""``%load_ext qwex_magics``: ``%%qwex`` runs a cell as a job, ``%qwex`` looks after jobs.

Loading registers names only; everything else is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register ``%%qwex``, ``%qwex`` and their completion. Loading twice is the same as once."""
    from qwex_magics.magics import cell_magic, line_magic

    unload_ipython_extension(shell)
    manager: Any = shell.magics_manager
    manager.register_function(cell_magic(shell), "cell", "qwex")
    manager.register_function(line_magic(shell), "line", "qwex")
    _matchers(shell).append(_matcher(shell))


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take away what loading registered."""
    for kind in ("cell", "line"):
        shell.magics_manager.magics[kind].pop("qwex", None)
    _matchers(shell)[:] = [matcher for matcher in _matchers(shell) if not hasattr(matcher, "qwex")]


def _matchers(shell: InteractiveShell) -> list[Any]:
    matchers: list[Any] = shell.Completer.custom_matchers
    return matchers


def _matcher(shell: InteractiveShell) -> Any:
    from IPython.core.completer import context_matcher

    @context_matcher()  # type: ignore[untyped-decorator]
    def qwex_matcher(context: Any) -> Any:
        if "%qwex" not in context.full_text:
            return {"completions": []}
        from qwex_magics.completion import complete

        return complete(shell, context)

    qwex_matcher.qwex = True
    return qwex_matcher
