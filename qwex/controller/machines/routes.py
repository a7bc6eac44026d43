"""The routes of dev machines, a part of ``app.Api``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwex.controller.bodies import MachineBody, MachineChangesBody
from qwex.controller.queries import caller_of, user_of
from qwex.controller.web import Json, body, flag

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from qwex.config import Settings
    from qwex.controller.service import Service

__all__ = ["MachineRoutes"]


class MachineRoutes:
    """One method per operation on machines."""

    _service: Service
    _settings: Settings

    async def create_machine(self, request: Request) -> Response:
        """Make one and have it run."""
        asked = await body(request, MachineBody, self._settings.max_body)
        return Json((await self._service.machines.create(asked.spec, caller_of(request))).as_dict(), 201)

    async def machines(self, request: Request) -> Response:
        """All of them, or one user's."""
        found = self._service.machines.list(user_of(request), caller_of(request))
        providers, default = self._service.machines.places()
        shown = [record.as_dict() for record in found]
        return Json({"machines": shown, "providers": providers, "default_provider": default})

    async def machine(self, request: Request) -> Response:
        """One record."""
        return Json(self._service.machines.get(_name_of(request), caller_of(request)).as_dict())

    async def delete_machine(self, request: Request) -> Response:
        """Remove one."""
        purge = flag(request.query_params.get("purge"), "purge", False)
        gone = await self._service.machines.delete(_name_of(request), caller_of(request), purge=purge)
        return Json(gone.as_dict(), 202)

    async def start_machine(self, request: Request) -> Response:
        """Have one run."""
        asked = await body(request, MachineChangesBody, self._settings.max_body)
        started = await self._service.machines.start(_name_of(request), asked.changes, caller_of(request))
        return Json(started.as_dict(), 202)

    async def stop_machine(self, request: Request) -> Response:
        """Ask one to end."""
        return Json((await self._service.machines.stop(_name_of(request), caller_of(request))).as_dict(), 202)

    async def change_machine(self, request: Request) -> Response:
        """Change one as it runs."""
        asked = await body(request, MachineChangesBody, self._settings.max_body)
        changed = await self._service.machines.change(_name_of(request), asked.changes, caller_of(request))
        return Json(changed.as_dict())

    async def machine_why(self, request: Request) -> Response:
        """Why one does not run."""
        return Json((await self._service.machines.why(_name_of(request), caller_of(request))).as_dict())

    async def machine_events(self, request: Request) -> Response:
        """What became of one."""
        found = self._service.machines.events(_name_of(request), caller_of(request))
        return Json({"events": [vars(event) for event in found]})

    async def preflight_machine(self, request: Request) -> Response:
        """What would happen."""
        asked = await body(request, MachineBody, self._settings.max_body)
        expected, rendered = await self._service.machines.preflight(asked.spec, caller_of(request))
        return Json({"why": expected.as_dict() if expected else None, "rendered": rendered})


def _name_of(request: Request) -> str:
    """The machine in the path: an id, or a name of the caller's."""
    name: str = request.path_params["id"]
    return name
