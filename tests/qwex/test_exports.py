"""What is public is listed, sorted and there; the top module is cheap."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import qwex

#: What an `import qwex` in a kernel must not cost.
HEAVY = ("pydantic", "sqlalchemy", "starlette", "uvicorn", "alembic", "typer", "rich", "IPython", "asyncio", "pluggy")


def core_modules() -> list[str]:
    found = (module.name for module in pkgutil.iter_modules(qwex.__path__, "qwex.") if not module.ispkg)
    return sorted(name for name in found if name != "qwex.__main__")


def by_kind(name: str) -> tuple[bool, bool, str]:
    """Constants, then classes, then functions, as isort has it."""
    return not name.isupper(), not name[0].isupper(), name


@pytest.mark.parametrize("name", ["qwex", "qwex.testing", *core_modules()])
def test_all_is_sorted_and_there(name: str) -> None:
    module = importlib.import_module(name)
    assert list(module.__all__) == sorted(module.__all__, key=by_kind)
    assert [public for public in module.__all__ if not hasattr(module, public)] == []


@pytest.mark.parametrize("name", core_modules())
def test_all_is_complete(name: str) -> None:
    module = importlib.import_module(name)
    own = {
        public
        for public, value in vars(module).items()
        if not public.startswith(("_", "qwex_")) and getattr(value, "__module__", None) == name and callable(value)
    }
    assert own <= set(module.__all__)


def test_dir_shows_the_public_names() -> None:
    assert set(dir(qwex)) == {*qwex.__all__, "__version__"}


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'submitt'"):
        qwex.submitt  # noqa: B018


def test_import_is_cheap() -> None:
    code = f"import sys, qwex; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
