"""The words of a magic's line: how they are split, and how variables of the notebook get into them.

As in a shell, quotes around a word, or around what follows its first ``=``, are taken off, and text in single quotes
is left alone, and a word that begins with ``#`` begins a comment. Elsewhere ``{name}`` and ``$name`` stand for a
variable of the notebook, ``{job.id}`` and ``$job.id`` for an attribute of one, a ``Job`` for its id, and ``{{name}}``
and ``$$name`` for the text itself. Braces around anything else are plain text, so JSON survives, without blanks even
unquoted: ``CFG={"a":{"b":1}}``. IPython's own expansion is off: one undefined name silently switches it off for the
whole line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from qwex.client.show import Shown, ShownMany
from qwex.errors import nearest
from qwex_magics.values import own

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Problems", "job_ids", "listing", "read"]

#: ``(flag or word, what is wrong with it)``
Problems = list[tuple[str, str]]

_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+""")
_QUOTED = re.compile(r"""(?s)(?P<key>[^="']+=)?(?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>[^']*)')""")
_PATH = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_REFERENCE = re.compile(
    rf"\$\$(?P<dollar>{_PATH})|\{{\{{(?P<brace>{_PATH})\}}\}}|\$(?P<open>{_PATH})|\{{(?P<closed>{_PATH})\}}"
)
_ABSENT = object()


def read(line: str, namespace: Mapping[str, Any]) -> tuple[list[str], Problems]:
    """The words of a line with the notebook's variables put in, and what is wrong with them."""
    line = _without_comment(line)
    rest = _WORD.sub("", line).strip()
    problems: Problems = [(rest[0], "this quote is not closed")] if rest else []
    return [_text(word, namespace, problems) for word in _WORD.findall(line)], problems


def job_ids(word: str, namespace: Mapping[str, Any]) -> list[str]:
    """The jobs that a word names: an id, or a variable of the notebook that holds a job or several."""
    value = namespace.get(word)
    if isinstance(value, ShownMany):
        return [record.id for record in value.records]
    return [value.id if isinstance(value, Shown) else word]


def listing(problems: Sequence[tuple[str, str]]) -> str:
    """One problem as a sentence, several as lines."""
    lines = [f"{field}: {message}" if field else message for field, message in problems]
    return lines[0] if len(lines) == 1 else "".join(f"\n  {line}" for line in lines)


def _without_comment(line: str) -> str:
    comment = next((word for word in _WORD.finditer(line) if word[0].startswith("#")), None)
    return line[: comment.start()] if comment else line


def _text(word: str, namespace: Mapping[str, Any], problems: Problems) -> str:
    match = _QUOTED.fullmatch(word)
    if match is None:
        return _expanded(word, namespace, problems)
    key = _expanded(match["key"] or "", namespace, problems)
    if match["single"] is not None:
        return key + match["single"]
    return key + _expanded(re.sub(r'\\([\\"])', r"\1", match["double"]), namespace, problems)


def _expanded(text: str, namespace: Mapping[str, Any], problems: Problems) -> str:
    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return f"${match['dollar']}"
        if match["brace"]:
            return f"{{{match['brace']}}}"
        name, *attributes = (match["open"] or match["closed"]).split(".")
        if name in namespace:
            return _followed(namespace[name], attributes, match, problems)
        known = nearest(name, own(namespace))
        problems.append((match[0], f"no variable {name!r} in the notebook.{known} (Single quotes keep text as it is.)"))
        return match[0]

    return _REFERENCE.sub(value, text)


def _followed(value: Any, attributes: list[str], match: re.Match[str], problems: Problems) -> str:
    """The text of ``value.attribute…``; after ``$name``, what is no attribute is text: ``$run.csv``."""
    for at, attribute in enumerate(attributes):
        found = getattr(value, attribute, _ABSENT)
        if found is _ABSENT or callable(found):
            if match["closed"]:
                problems.append((match[0], f"a {type(value).__name__} has no attribute {attribute!r} to put in"))
            return ".".join([_said(value), *attributes[at:]])
        value = found
    return _said(value)


def _said(value: Any) -> str:
    return value.id if isinstance(value, Shown) else str(value)
