"""The extension as Jupyter knows it: its settings, its handlers, its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Unicode

from qwex_ext.feed import FeedHandler
from qwex_ext.machines import MachinesHandler, SshHandler
from qwex_ext.proxy import ProxyHandler
from qwex_ext.service import Service
from qwex_ext.submit import SubmitHandler

__all__ = ["QwexApp"]

_SCHEMAS = Path(__file__).parent / "schemas"


class QwexApp(ExtensionApp):
    """Forwards to a controller and tells browsers of changes; it keeps nothing of its own."""

    name = "qwex"
    # No token beside it: a command line can be read by others. QWEX_TOKEN and the settings have one.
    controller_url = Unicode(
        "", config=True, help="Address of a shared controller; empty means what qwex's own settings say."
    )

    def initialize_settings(self) -> None:
        """Schemas now, since a browser that subscribes gets those that are there; all else at the first request."""
        server: Any = self.serverapp
        for schema in sorted(_SCHEMAS.glob("*/*.yaml")):
            server.event_logger.register_event_schema(schema)
        self.service = Service(self.controller_url, server.event_logger, self.log.warning)
        self.settings["qwex_service"] = self.service
        # Jobs name their notebooks as the machine does; a page knows files only from Jupyter's root on.
        page = server.web_app.settings.setdefault("page_config_data", {})
        page["qwexRoot"] = getattr(server.contents_manager, "root_dir", "")

    def initialize_handlers(self) -> None:
        """The routes."""
        self.handlers.extend(
            [
                (r"/qwex/api/(.*)", ProxyHandler),
                (r"/qwex/feed", FeedHandler),
                (r"/qwex/submit", SubmitHandler),
                (r"/qwex/machines", MachinesHandler),
                (r"/qwex/machines/ssh", SshHandler),
            ]
        )

    def current_activity(self) -> None:
        """None, though jobs may run: they are the controller's, and go on when an idle Jupyter server is ended."""

    async def stop_extension(self) -> None:
        """End the feed and drop the connections, within a bounded time."""
        await self.service.close()
