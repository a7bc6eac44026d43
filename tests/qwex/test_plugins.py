"""Plugins are found, typos and clashes are named, and a broken plugin is nobody else's trouble.

The plugins are real distributions on disk: a module and the metadata an installer writes.
"""

from __future__ import annotations

import logging
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from qwex import plugins
from qwex.errors import InvalidSpec, PluginError, UnknownBackend
from qwex.events import Event
from qwex.spec import JobSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Install = Callable[..., None]

GOOD = """
    from qwex import hookimpl
    from qwex.backend import Backend

    class Pbs(Backend):
        name = "pbs"
        capabilities = frozenset({"queues", "gpu"})
        def render(self, plan): ...
        async def submit(self, request): ...
        async def cancel(self, native_id): ...
        async def status(self, native_ids): ...
        def output(self, native_id, after): ...

    @hookimpl
    def qwex_register_backends(register):
        register(Pbs)
"""
SPEC = JobSpec(source={"kind": "script", "text": "print(1)"})
EVENT = Event(1, "state", 1.0, data={"state": "RUNNING"})


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a plugin: ``install("qwex_pbs", source)``; only these plugins are there."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(plugins, "DEFAULT_PLUGINS", ())
    monkeypatch.setattr(sys, "path", [str(tmp_path), *(path for path in sys.path if "site-packages" not in path)])
    installed = []

    def install(module: str, source: str, entry_point: str = "") -> None:
        installed.append(module)
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.2\n")
        name = entry_point or module.removeprefix("qwex_")
        (info / "entry_points.txt").write_text(f"[qwex]\n{name} = {module}\n")

    yield install
    for module in installed:
        sys.modules.pop(module, None)


def error_of(module: str) -> str:
    return plugins.load().infos[module].error


def test_found_by_its_entry_point(install: Install) -> None:
    install("qwex_pbs", GOOD)
    found = plugins.load()
    info = found.infos["qwex_pbs"]
    assert (info.distribution, info.version, info.entry_point) == ("qwex-pbs", "1.2", "pbs")
    assert (info.backends, info.hooks, info.error) == (["pbs"], ["qwex_register_backends"], "")
    assert info.capabilities == {"pbs": ["gpu", "queues"]}
    assert found.backend("pbs").__name__ == "Pbs"
    assert [name for name, _ in found.backends] == ["pbs"]
    assert "pbs" in found.backends


def test_what_its_extra_lacks_is_told(install: Install, tmp_path: Path) -> None:
    install("qwex_pbs", GOOD)
    metadata = tmp_path / "qwex_pbs-1.2.dist-info" / "METADATA"
    said = metadata.read_text()
    metadata.write_text(said + "Requires-Dist: pbs-sdk>=2; extra == 'pbs'\nRequires-Dist: more; extra == 'other'\n")
    assert plugins.load().infos["qwex_pbs"].needs == "pip install 'qwex-pbs[pbs]'"
    metadata.write_text(said + "Requires-Dist: qwex-pbs>=1; extra == 'pbs'\n")
    assert plugins.load().infos["qwex_pbs"].needs == ""


def test_only_the_named_ones_are_loaded(install: Install) -> None:
    install("qwex_pbs", GOOD)
    install("qwex_other", "raise RuntimeError('not asked for')")
    assert list(plugins.load("qwex_pbs, qwex_more").infos) == ["qwex_pbs"]


def test_built_in_plugins_come_first(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("qwex_aaa", "")
    install("qwex_zzz", "")
    monkeypatch.setattr(plugins, "DEFAULT_PLUGINS", ("qwex_zzz", "qwex_not_installed"))
    assert list(plugins.load().infos) == ["qwex_zzz", "qwex_aaa"]


def test_built_in_plugin_of_a_source_tree_needs_no_installation(
    tmp_path: Path, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("qwex_pbs", GOOD)
    (tmp_path / "qwex_pbs-1.2.dist-info" / "entry_points.txt").unlink()
    monkeypatch.setattr(plugins, "DEFAULT_PLUGINS", ("qwex_pbs",))
    assert plugins.load().infos["qwex_pbs"].backends == ["pbs"]


def test_unknown_backend_lists_those_there_are(install: Install) -> None:
    install("qwex_pbs", GOOD)
    with pytest.raises(UnknownBackend, match=r"no backend 'pbz'\. Installed: pbs\. Did you mean 'pbs'\?"):
        plugins.load().backend("pbz")


def test_broken_plugin_harms_no_other_and_is_raised_when_chosen(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("qwex_broken", "import a_cluster_sdk", entry_point="cluster")
    install("qwex_pbs", GOOD)
    with caplog.at_level(logging.WARNING):
        found = plugins.load()
    assert found.backend("pbs")
    assert "qwex_broken: ModuleNotFoundError: No module named 'a_cluster_sdk'" in caplog.text
    for name in ("broken", "qwex_broken", "cluster"):
        with pytest.raises(PluginError, match=r"qwex_broken could not be loaded: .*a_cluster_sdk"):
            found.backend(name)


@pytest.mark.parametrize("source", ["raise SystemExit(3)", "1 +", "assert False"])
def test_no_failure_of_an_import_gets_out(install: Install, source: str) -> None:
    install("qwex_broken", source)
    assert error_of("qwex_broken")


def test_typo_in_a_hook_name_is_named_with_the_nearest(install: Install) -> None:
    install("qwex_pbs", GOOD.replace("qwex_register_backends", "qwex_register_backend"))
    assert "no hook 'qwex_register_backend'. Did you mean 'qwex_register_backends'?" in error_of("qwex_pbs")


def test_typo_in_an_argument_is_named(install: Install) -> None:
    install("qwex_pbs", "from qwex import hookimpl\n@hookimpl\ndef qwex_prepare_job(job): ...")
    assert "qwex_prepare_job has no argument 'job'; it takes (spec, user)" in error_of("qwex_pbs")


def test_forgotten_mark_is_named(install: Install) -> None:
    install("qwex_pbs", GOOD.replace("@hookimpl", ""))
    assert "qwex_register_backends is not marked as a hook; put @qwex.hookimpl above it" in error_of("qwex_pbs")


def test_async_hook_is_refused(install: Install) -> None:
    install("qwex_pbs", "from qwex import hookimpl\n@hookimpl\nasync def qwex_job_changed(run_id, event): ...")
    assert "qwex_job_changed is async" in error_of("qwex_pbs")


def test_a_taken_name_is_an_error_of_the_second(install: Install) -> None:
    install("qwex_a", GOOD)
    install(
        "qwex_b",
        GOOD.replace('name = "pbs"', 'name = "other"') + "        register(type('Again', (Pbs,), {'name': 'pbs'}))",
    )
    found = plugins.load()
    assert "the backend 'pbs' is already registered by qwex_a" in found.infos["qwex_b"].error
    assert [name for name, _ in found.backends] == ["pbs"], "what the second registered before it failed is gone too"
    assert found.infos["qwex_b"].backends == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('name = "pbs"', ""), "Pbs has no name; set the class attribute 'name'"),
        (('name = "pbs"', 'name = "../pbs"'), "'../pbs' is no name for a backend"),
        (("def render(self, plan): ...", ""), "Pbs lacks render"),
        (("register(Pbs)", "register(Pbs.name)"), "'pbs' is not a subclass of Backend"),
        (("register(Pbs)", "register(dict)"), "<class 'dict'> is not a subclass of Backend"),
    ],
)
def test_incomplete_backend_is_refused_with_the_reason(install: Install, change: tuple[str, str], told: str) -> None:
    install("qwex_pbs", GOOD.replace(*change))
    assert told in error_of("qwex_pbs")


def test_broken_plugin_hears_nothing_more(install: Install) -> None:
    install("qwex_pbs", GOOD.replace("register(Pbs)", "1 / 0") + POLICY.format(body="raise AssertionError('asked')"))
    assert plugins.load().prepare(SPEC, "ada") is SPEC


POLICY = """
    @hookimpl
    def qwex_prepare_job(spec):
        {body}
"""
IMPORTS = "    from qwex import hookimpl\n    from qwex.errors import InvalidSpec\n"


def test_a_class_that_cannot_be_made_is_left_out_and_remembered(install: Install) -> None:
    source = """
        from qwex import hookimpl
        from qwex.tracker import Tracker

        class {name}(Tracker):
            name = "{name}"
            def __init__(self): {init}
            async def begin(self, job, *, again): ...
            async def record(self, job, events): ...
            async def end(self, job): ...

        @hookimpl
        def qwex_register_trackers(register):
            register({name})
    """
    install("qwex_bad", source.format(name="bad", init="raise OSError('no server')"))
    install("qwex_good", source.format(name="good", init="pass"))
    loaded = plugins.load()
    assert [tracker.name for tracker in loaded.made(loaded.trackers, lambda kind: kind())] == ["good"]
    assert loaded.infos["qwex_bad"].error == "the tracker 'bad' cannot be made: OSError: no server"


def test_policies_each_see_what_those_before_made(install: Install) -> None:
    for letter in "ab":
        body = f"return spec.model_copy(update={{'name': spec.name + {letter!r}}})"
        install(f"qwex_{letter}", IMPORTS + POLICY.format(body=body))
    install("qwex_none", IMPORTS + POLICY.format(body="return None"))
    assert sorted(plugins.load().prepare(SPEC, "ada").name) == ["a", "b"]


def test_policy_knows_whose_job_it_is(install: Install) -> None:
    source = POLICY.format(body="return spec.model_copy(update={'queue': user})")
    install("qwex_a", IMPORTS + source.replace("(spec)", "(spec, user)", 1))
    assert plugins.load().prepare(SPEC, "ada").queue == "ada"


def test_policy_refuses(install: Install) -> None:
    install("qwex_a", IMPORTS + POLICY.format(body="raise InvalidSpec.of('tags', 'who pays?')"))
    with pytest.raises(InvalidSpec, match=r"tags: who pays\?"):
        plugins.load().prepare(SPEC, "ada")


def test_no_job_slips_past_a_policy_that_fails(install: Install) -> None:
    install("qwex_a", IMPORTS + POLICY.format(body="return 1 / 0"))
    with pytest.raises(PluginError, match="the policy of qwex_a failed: ZeroDivisionError"):
        plugins.load().prepare(SPEC, "ada")


def test_notice_that_fails_is_logged_and_the_others_are_told(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    notice = "from qwex import hookimpl\nheard = []\n@hookimpl\ndef qwex_job_changed(run_id, event): {body}"
    install("qwex_a", notice.format(body="heard.append((run_id, event))"))
    install("qwex_b", notice.format(body="1 / 0"))
    install("qwex_c", notice.format(body="heard.append((run_id, event))"))
    plugins.load().changed("kit-abc234", EVENT)
    assert sys.modules["qwex_a"].heard == sys.modules["qwex_c"].heard == [("kit-abc234", EVENT)]
    assert "qwex_b: qwex_job_changed of kit-abc234" in caplog.text
