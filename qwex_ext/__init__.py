"""qwex in a Jupyter server: the controller's API behind Jupyter's own login, and the part of JupyterLab that uses it.

Loading it imports nothing of qwex's client; that is for the first request.
"""

from __future__ import annotations

from typing import Any

__all__: list[str] = []


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension/built", "dest": "qwex"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from qwex_ext.app import QwexApp

    return [{"module": "qwex_ext", "app": QwexApp}]
