"""Which names a cell has to be given."""

from __future__ import annotations

import pytest

from qwex.capture.names import free_names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("print(df)", ("df",)),
        ("df = 1\nprint(df)", ()),
        ("n = n + 1", ("n",)),
        ("n += 1", ("n",)),
        ("model, history = train(df)", ("df", "train")),
        ("import numpy as np\nnp.zeros(n)", ("n",)),
        ("import os.path\nos.path.join(a)", ("a",)),
        ("[x for x in xs if x > y]", ("xs", "y")),
        ("x = [x for x in x]", ("x",)),
        ("{k: v for k, v in d.items()}", ("d",)),
        ("def f(a, b=c):\n    return a + g", ("c", "g")),
        ("def f():\n    return g\ng = 1\nf()", ()),
        ("def f():\n    global out\n    out = 1", ()),
        ("@decorate\ndef f(): pass", ("decorate",)),
        ("class A(Base):\n    x = 1\n    def m(self): return y", ("Base", "y")),
        ("f'{a:{width}}'", ("a", "width")),
        ("for i in items: print(i)", ("items",)),
        ("for i in i: pass", ("i",)),
        ("with open(p) as f: f.read()", ("p",)),
        ("try:\n    go()\nexcept ValueError as e:\n    print(e)", ("go",)),
        ("lambda a: a + b", ("b",)),
        ("if (m := match(t)): print(m)", ("match", "t")),
        ("match p:\n    case [a, *b]: print(a, b)", ("p",)),
        ("await fetch(url)", ("fetch", "url")),
        ("a.b = 1\nc[d] = 2", ("a", "c", "d")),
        ("x: int = y", ("y",)),
        ("del gone", ("gone",)),
        ("print(", ()),
        ("display(1); get_ipython()", ()),
    ],
)
def test_free_names(text, expected):
    assert free_names(text) == expected
