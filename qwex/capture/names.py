"""Names that a cell uses and does not make itself: what it would have to be given."""

from __future__ import annotations

import ast
import builtins
import symtable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["free_names"]

#: What exists in every module and in IPython without being made.
_GIVEN = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "__builtins__", "get_ipython", "display", "_"}
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def free_names(text: str) -> tuple[str, ...]:
    """The names the code reads before it has bound them, in alphabetical order.

    Functions may read what the code binds anywhere, as they run later. ``text`` is Python, magics already replaced;
    text that does not parse has no names, its error is shown where it runs.
    """
    try:
        tree = ast.parse(text)
        table = symtable.symtable(text, "<cell>", "exec")
    except (SyntaxError, ValueError):
        return ()
    deferred = {name for child in table.get_children() for name in _globals(child)}
    bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    return tuple(sorted(((deferred - bound) | _read_first(tree)) - _GIVEN))


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    """Names that a scope and those in it read from the module's namespace."""
    yield from (symbol.get_name() for symbol in table.get_symbols() if symbol.is_global() and symbol.is_referenced())
    for child in table.get_children():
        yield from _globals(child)


def _read_first(tree: ast.Module) -> set[str]:
    """Names whose first use in the module's own flow is a read, such as ``n`` in ``n = n + 1``."""
    bound: set[str] = set()
    early: set[str] = set()
    for name, reads in _uses(tree):
        if reads and name not in bound:
            early.add(name)
        elif not reads:
            bound.add(name)
    return early


def _uses(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """``(name, whether it must exist)`` in the order in which they are evaluated, outside function bodies."""
    if isinstance(node, ast.Name):
        yield node.id, not isinstance(node.ctx, ast.Store)
    elif isinstance(node, _COMPREHENSIONS):
        own = {name.id for one in node.generators for name in ast.walk(one.target) if isinstance(name, ast.Name)}
        first, *rest = _inside(node)
        yield from _uses(first)
        yield from ((name, reads) for part in rest for name, reads in _uses(part) if name not in own)
    else:
        for part in _in_order(node):
            yield from _uses(part)
        yield from ((name, False) for name in _names_bound(node))


def _inside(node: Any) -> list[ast.AST]:
    """The parts of a comprehension; only the first is evaluated where the comprehension stands."""
    elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    first, *more = node.generators
    return [first.iter, *first.ifs, *more, *elements]


def _in_order(node: ast.AST) -> list[ast.AST]:
    """The parts that are evaluated here, values before targets."""
    if isinstance(node, _SCOPES):
        outside = [*getattr(node, "decorator_list", []), *node.args.defaults, *node.args.kw_defaults]
        return [part for part in outside if part is not None]
    if isinstance(node, ast.AugAssign):
        target = node.target
        read = ast.Name(target.id, ast.Load()) if isinstance(target, ast.Name) else target
        return [read, node.value, target]
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [part for part in (node.value, *targets) if part is not None]
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return [node.iter, node.target, *node.body, *node.orelse]
    if isinstance(node, ast.ExceptHandler):
        caught = [ast.Name(node.name, ast.Store())] if node.name else []
        return [*([node.type] if node.type else []), *caught, *node.body]
    return list(ast.iter_child_nodes(node))


def _names_bound(node: ast.AST) -> list[str]:
    """Names that a statement binds other than by an ``ast.Name``."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    return [node.name] if isinstance(node, (ast.MatchAs, ast.MatchStar)) and node.name else []
