"""A place for machines in a lab's controller, an installed plugin: what a test writes into a file becomes of them."""

from __future__ import annotations

import json
import os
import time

from places import Place, _Provider

from qwex import hookimpl
from qwex.machine import Activity

__all__ = ["install", "say"]

_PLACE = Place()
_SAID = "said.json"
#: Seconds for which nobody has used any of them.
_QUIET = 2045


class LabPlace(_Provider):
    # That of the default backend, so that machines are there without being told.
    name = "scripted"
    place = _PLACE
    poll = (0.05, 0.05)

    async def status(self, native_ids):
        said = self.context.folder / _SAID
        if said.exists():
            for native_id, status in json.loads(said.read_text()).items():
                self.place.say(native_id, **status)
            said.unlink()
        return await super().status(native_ids)

    def door(self, native_id):
        return {"path": native_id, "home": "/home/dev"}

    async def activity(self, native_id):
        return Activity(time.time(), time.time() - _QUIET)


@hookimpl
def qwex_register_machine_providers(register):
    register(LabPlace)


def install(folder):
    """Variables with which a controller has the plugin, which is installed in the folder."""
    info = folder / "qwex_labplaces-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: qwex-labplaces\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[qwex]\nscripted = scripted\nlabplaces = labplaces\n")
    tests = os.path.dirname(os.path.dirname(__file__))
    there = [str(folder), os.path.join(tests, "lab"), os.path.join(tests, "qwex", "controller")]
    path = os.pathsep.join([*there, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {"PYTHONPATH": path, "QWEX_PLUGINS": "scripted,labplaces", "QWEX_DEFAULT_BACKEND": "scripted"}


def say(lab, native_id, **status):
    """The machine's status from now on."""
    said = lab.folder / "q" / "providers" / LabPlace.name / _SAID
    said.with_suffix(".new").write_text(json.dumps({native_id: status}))
    os.replace(said.with_suffix(".new"), said)
