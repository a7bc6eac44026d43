"""Which provider a machine gets, and what the provider is given."""

from __future__ import annotations

import pytest
from places import Place
from scripted import ScriptedBackend

from qwex import config
from qwex.controller.backends import Backends
from qwex.controller.machines.providers import Providers
from qwex.controller.registry import Registry
from qwex.errors import BackendUnavailable, NotFound
from qwex.plugins import load

pytestmark = pytest.mark.anyio


@pytest.fixture
async def providers(home, plugin):
    """Makes ``Providers`` that have places of those names."""
    made = []

    def make(*names):
        settings = config.load(home=str(home))
        plugins = load(settings.plugins)
        for name in names:
            plugins.machine_providers.add(Place().provider(name), "tests")
        backends = Backends(plugins, settings, Registry())
        made.extend([providers := Providers(settings, backends), backends])
        return providers

    yield make
    for each in made:
        await each.close()


async def test_the_default_is_that_of_the_default_backend(providers):
    assert providers("place", "scripted").default == "scripted"
    with pytest.raises(NotFound, match=r"has no dev machines\. Name the place: one, two"):
        _ = providers("two", "one").default
    with pytest.raises(NotFound, match="no plugin here has machines"):
        _ = providers().default


async def test_one_that_has_the_name_of_a_backend_is_given_it(providers, home):
    both = providers("place", "scripted")
    assert isinstance((await both.get(None)).context.backend, ScriptedBackend)
    assert (await both.get("place")).context.backend is None
    assert await both.get("place") is await both.get("place")
    assert (home / "providers" / "place").is_dir()


async def test_one_whose_backend_cannot_be_started_now(providers, home):
    (home / "scripted").mkdir(parents=True)
    (home / "scripted" / "unstartable").touch()
    one = providers("scripted")
    with pytest.raises(BackendUnavailable, match="key is away"):
        await one.get("scripted")
    (home / "scripted" / "unstartable").unlink()
    assert (await one.get("scripted")).name == "scripted"
