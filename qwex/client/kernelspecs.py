"""What has Jupyter list a kernel on each of the user's machines: a file where it looks for kernels of theirs.

A front end that knows kernel provisioners tells why a kernel does not start; one that does not runs the same command.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwex.client.ssh import files
from qwex.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["PYTHON", "forget", "install", "is_listed", "keep", "python_of", "spec_name", "uninstall"]

#: The Python in a machine, where nobody named another: the one that its sessions find.
PYTHON = "python3"
_PREFIX = "qwex-machine-"


def spec_name(name: str) -> str:
    """What Jupyter calls the kernel on the machine of that name."""
    return _PREFIX + name


def install(folder: Path, name: str, python: str = "") -> Path:
    """The kernelspec's file is there, for that Python in the machine; by default for the one it had.

    Raises:
        ConfigError: it cannot be written.
    """
    file = _file(name)
    text = json.dumps(_spec(folder, name, python or python_of(name)), indent=1)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        files.write(file, text.encode())
    except OSError as error:
        raise ConfigError(f"Jupyter's {file} cannot be written: {error.strerror or error}") from None
    return file


def keep(folder: Path, names: Iterable[str], *, add: bool) -> None:
    """Jupyter lists these machines of that folder and no others; with ``add`` also those that it did not.

    Where there is no Jupyter, nothing is written.

    Raises:
        ConfigError: it cannot be changed.
    """
    wanted = set(names)
    forget(folder, [name for name in _installed(folder) if name not in wanted])
    if add and _has_jupyter():
        for name in sorted(wanted):
            install(folder, name)


def forget(folder: Path, names: Sequence[str]) -> None:
    """Jupyter does not list them.

    Raises:
        ConfigError: it cannot be changed.
    """
    for name in set(names) & set(_installed(folder)):
        try:
            shutil.rmtree(_file(name).parent)
        except OSError as error:
            raise ConfigError(f"{_file(name).parent} cannot be removed: {error.strerror or error}") from None


def uninstall(folder: Path, *, dry_run: bool = False) -> list[Path]:
    """Jupyter lists no machine of that folder; the files that were removed, or would be.

    Raises:
        ConfigError: one cannot be.
    """
    names = _installed(folder)
    if not dry_run:
        forget(folder, names)
    return [_file(name) for name in names]


def is_listed(name: str) -> bool:
    """Whether Jupyter lists the machine of that name."""
    return _file(name).is_file()


def python_of(name: str) -> str:
    """The Python in the machine that the kernel is to run."""
    argv = _read(_file(name)).get("argv")
    return argv[-2] if isinstance(argv, list) and len(argv) > 2 and isinstance(argv[-2], str) else PYTHON


def _spec(folder: Path, name: str, python: str) -> dict[str, Any]:
    return {
        "argv": [sys.executable or "python3", "-m", "qwex_kernel", str(folder), name, python, "{connection_file}"],
        "display_name": f"Python ({name})",
        "language": "python",
        "metadata": {
            "debugger": True,
            "kernel_provisioner": {"provisioner_name": "qwex-machine", "config": {"machine": name}},
            "qwex": {"folder": str(folder)},
        },
    }


def _installed(folder: Path) -> list[str]:
    """The machines of that folder that Jupyter lists."""
    found = sorted(_kernels().glob(f"{_PREFIX}*/kernel.json"))
    return [file.parent.name.removeprefix(_PREFIX) for file in found if _folder_of(file) == str(folder)]


def _folder_of(file: Path) -> Any:
    """The folder that a kernelspec is of; somebody else's may be of any form."""
    said: Any = _read(file)
    for name in ("metadata", "qwex", "folder"):
        said = said.get(name) if isinstance(said, dict) else None
    return said


def _file(name: str) -> Path:
    return _kernels() / spec_name(name) / "kernel.json"


def _read(file: Path) -> dict[str, Any]:
    """What a kernelspec says; nothing where it is not there or broken."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _kernels() -> Path:
    """Where Jupyter looks for the user's own kernels first."""
    try:
        from jupyter_core.paths import jupyter_data_dir
    except ImportError:
        return Path(_data_folder()) / "kernels"
    return Path(jupyter_data_dir()) / "kernels"


def _data_folder() -> str:
    """As Jupyter has it, for one that is installed elsewhere."""
    if given := os.environ.get("JUPYTER_DATA_DIR"):
        return given
    home = os.path.expanduser("~")
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Jupyter")
    return os.path.join(os.environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share"), "jupyter")


def _has_jupyter() -> bool:
    """Whether there is a Jupyter here, or the user has one elsewhere."""
    import importlib.util

    return importlib.util.find_spec("jupyter_core") is not None or _kernels().parent.is_dir()
