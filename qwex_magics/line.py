"""The words of a magic's line: how they are split, and how variables of the notebook get into them.

As in a shell, quotes around a word, or around what follows its first ``=``, are taken off, and text in single quotes
is left alone. Elsewhere ``{name}`` and ``$name`` stand for a variable of the notebook, and ``{{name}}`` and ``$$name``
for the text itself. Braces around anything but a name are plain text, so JSON survives, without blanks even unquoted:
``CFG={"a":{"b":1}}``. IPython's own expansion is off: one undefined name silently switches it off for the whole line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from qwex.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Problems", "listing", "read"]

#: ``(flag or word, what is wrong with it)``
Problems = list[tuple[str, str]]

_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+""")
_QUOTED = re.compile(r"""(?s)(?P<key>[^="']+=)?(?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>[^']*)')""")
_REFERENCE = re.compile(r"\$\$(?P<dollar>[^\W\d]\w*)|\{\{(?P<brace>[^\W\d]\w*)\}\}|\$([^\W\d]\w*)|\{([^\W\d]\w*)\}")


def read(line: str, namespace: Mapping[str, Any]) -> tuple[list[str], Problems]:
    """The words of a line with the notebook's variables put in, and what is wrong with them."""
    rest = _WORD.sub("", line).strip()
    problems: Problems = [(rest[0], "this quote is not closed")] if rest else []
    return [_text(word, namespace, problems) for word in _WORD.findall(line)], problems


def listing(problems: Sequence[tuple[str, str]]) -> str:
    """One problem as a sentence, several as lines."""
    lines = [f"{field}: {message}" if field else message for field, message in problems]
    return lines[0] if len(lines) == 1 else "".join(f"\n  {line}" for line in lines)


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
        name = match[3] or match[4]
        if name in namespace:
            return str(namespace[name])
        known = nearest(name, [known for known in namespace if not known.startswith("_")])
        problems.append((match[0], f"no variable {name!r} in the notebook.{known} (Single quotes keep text as it is.)"))
        return match[0]

    return _REFERENCE.sub(value, text)
