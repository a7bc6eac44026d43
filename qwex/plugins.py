"""Which plugins there are, and what they registered. The core meets plugins only here."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import pluggy

from qwex import hookspecs
from qwex.artifacts import ArtifactStore
from qwex.backend import Backend
from qwex.errors import NotFound, PluginError, QwexError, UnknownBackend, nearest
from qwex.machine import MachineProvider
from qwex.tracker import Tracker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from qwex.events import Event
    from qwex.spec import JobSpec

__all__ = ["DEFAULT_PLUGINS", "HOOKS", "PluginInfo", "Plugins", "Registry", "load"]

log = logging.getLogger(__name__)

#: Built-in plugins, loaded first; they use the public door, and one that is not installed is simply absent.
DEFAULT_PLUGINS = ("qwex_local",)
#: Every hook there is.
HOOKS = tuple(name for name in vars(hookspecs) if name.startswith("qwex_"))

#: A noun's name is a section of the configuration, a word of the command line and a folder.
_NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,38}[a-z0-9])?")
#: What a plugin's import may end with; nothing of it may end the controller.
_FAILURES = (Exception, SystemExit)

NounT = TypeVar("NounT")


@dataclass
class PluginInfo:
    """What ``qwex plugins`` shows of one plugin module."""

    module: str
    version: str = ""
    distribution: str = ""
    #: Name of the entry point, such as ``pbs``.
    entry_point: str = ""
    backends: list[str] = field(default_factory=list)
    trackers: list[str] = field(default_factory=list)
    artifact_stores: list[str] = field(default_factory=list)
    machine_providers: list[str] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)
    #: What each of its backends declares, by the backend's name.
    capabilities: dict[str, list[str]] = field(default_factory=dict)
    error: str = ""
    #: What to install that it does not work without: ``pip install 'qwex[kueue]'``.
    needs: str = ""


class Registry(Generic[NounT]):
    """Classes of one kind by their names; a name that is taken is an error."""

    def __init__(self, kind: str, base: type[Any] = object) -> None:
        self.kind = kind
        self.base = base
        self._nouns: dict[str, tuple[type[NounT], str]] = {}

    def add(self, noun: type[NounT], module: str) -> None:
        """Register ``noun`` for ``module``.

        Raises:
            PluginError: it is not a complete class of this kind, has no usable name, or the name is taken.
        """
        self._check(noun, module)
        name: str = noun.name  # type: ignore[attr-defined]
        if name in self._nouns:
            raise PluginError(f"{module}: the {self.kind} {name!r} is already registered by {self._nouns[name][1]}")
        self._nouns[name] = (noun, module)

    def remove(self, module: str) -> None:
        """Take back everything that ``module`` registered."""
        self._nouns = {name: entry for name, entry in self._nouns.items() if entry[1] != module}

    def _check(self, noun: type[NounT], module: str) -> None:
        if not (isinstance(noun, type) and issubclass(noun, self.base)):
            raise PluginError(
                f"{module}: {noun!r} is not a subclass of {self.base.__name__}; register the class itself"
            )
        if missing := sorted(getattr(noun, "__abstractmethods__", ())):
            raise PluginError(f"{module}: {noun.__name__} lacks {', '.join(missing)}")
        name = getattr(noun, "name", "")
        if not name:
            raise PluginError(f"{module}: {noun.__name__} has no name; set the class attribute 'name'")
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise PluginError(f"{module}: {name!r} is no name for a {self.kind}; use a-z, 0-9, - and _")

    def __iter__(self) -> Iterator[tuple[str, type[NounT]]]:
        return iter([(name, noun) for name, (noun, _) in sorted(self._nouns.items())])

    def __contains__(self, name: str) -> bool:
        return name in self._nouns

    def get(self, name: str) -> type[NounT] | None:
        """The class registered under ``name``, or None."""
        found = self._nouns.get(name)
        return found[0] if found else None


class Plugins:
    """All plugins of this process, loaded once; a broken one is remembered and raised when it is chosen."""

    def __init__(self, only: Iterable[str] = ()) -> None:
        self.manager = pluggy.PluginManager("qwex")
        self.manager.add_hookspecs(hookspecs)
        self.backends: Registry[Backend[Any]] = Registry("backend", Backend)
        self.trackers: Registry[Tracker] = Registry("tracker", Tracker)
        self.artifact_stores: Registry[ArtifactStore] = Registry("artifact store", ArtifactStore)
        self.machine_providers: Registry[MachineProvider[Any]] = Registry("machine provider", MachineProvider)
        self.infos: dict[str, PluginInfo] = {}
        for info in _discover(set(only)):
            self._load(info)

    def backend(self, name: str) -> type[Backend[Any]]:
        """The backend class called ``name``.

        Raises:
            PluginError: the plugin that should bring it could not be loaded.
            UnknownBackend: none is; the message lists those that are.
        """
        found = self.backends.get(name)
        if found:
            return found
        self._raise_failure(name)
        known = [name for name, _ in self.backends]
        raise UnknownBackend(f"no backend {name!r}. Installed: {', '.join(known) or 'none'}.{nearest(name, known)}")

    def machine_provider(self, name: str) -> type[MachineProvider[Any]]:
        """The class of the machine provider called ``name``.

        Raises:
            PluginError: the plugin that should bring it could not be loaded.
            NotFound: none is; the message lists those that are.
        """
        if found := self.machine_providers.get(name):
            return found
        self._raise_failure(name)
        known = [name for name, _ in self.machine_providers]
        listed = ", ".join(known) or "none"
        raise NotFound(f"{name!r} has no machines. Providers of machines: {listed}.{nearest(name, known)}")

    def made(self, nouns: Registry[NounT], make: Callable[[type[NounT]], NounT]) -> list[NounT]:
        """One instance of each class; a plugin whose class cannot be made is remembered as failed, and left out."""
        instances: list[NounT] = []
        for name, noun in nouns:
            try:
                instances.append(make(noun))
            except _FAILURES as error:
                info = next(info for info in self.infos.values() if name in (*info.trackers, *info.artifact_stores))
                info.error = f"the {nouns.kind} {name!r} cannot be made: {_sentence(error)}"
                log.warning("plugin %s: %s", info.module, info.error)
        return instances

    def prepare(self, spec: JobSpec, user: str) -> JobSpec:
        """The spec of ``user``'s job after every site policy, each of which sees what those before it made.

        Raises:
            InvalidSpec: a policy refused the job.
            PluginError: a policy failed; a job never slips past one.
        """
        for policy in reversed(self.manager.hook.qwex_prepare_job.get_hookimpls()):
            try:
                arguments = {"spec": spec, "user": user}
                answer = cast("JobSpec | None", policy.function(**{name: arguments[name] for name in policy.argnames}))
                spec = spec if answer is None else _checked(answer)
            except QwexError:
                raise
            except Exception as error:
                raise PluginError(f"the policy of {policy.plugin_name} failed: {_sentence(error)}") from error
        return spec

    def changed(self, run_id: str, event: Event) -> None:
        """Tell every plugin of a state change; what one raises is logged, and the others are told all the same."""
        arguments = {"run_id": run_id, "event": event}
        for notice in self.manager.hook.qwex_job_changed.get_hookimpls():
            try:
                notice.function(**{name: arguments[name] for name in notice.argnames})
            except Exception:
                log.exception("%s: qwex_job_changed of %s", notice.plugin_name, run_id)

    def _raise_failure(self, name: str) -> None:
        for info in self.infos.values():
            if info.error and name in (info.entry_point, info.module, info.module.removeprefix("qwex_")):
                raise PluginError(f"the plugin {info.module} could not be loaded: {info.error}")

    def _load(self, info: PluginInfo) -> None:
        self.infos[info.module] = info
        try:
            self._register(importlib.import_module(info.module), info)
        except _FAILURES as error:
            # Any failure of a plugin stays that plugin's own: it is shown, and raised when it is chosen.
            info.error = _sentence(error)
            log.warning("plugin %s: %s", info.module, info.error)

    def _register(self, module: ModuleType, info: PluginInfo) -> None:
        info.hooks = _hooks(module, info.module)
        kinds: tuple[tuple[str, Registry[Any], list[str]], ...] = (
            ("qwex_register_backends", self.backends, info.backends),
            ("qwex_register_trackers", self.trackers, info.trackers),
            ("qwex_register_artifact_stores", self.artifact_stores, info.artifact_stores),
            ("qwex_register_machine_providers", self.machine_providers, info.machine_providers),
        )
        try:
            self.manager.register(module, info.module)
            for hook, registry, names in kinds:
                if hook in info.hooks:
                    self._call(module, hook, registry, names, info.module)
        except _FAILURES:
            # All or nothing: of a plugin that fails halfway nothing stays registered.
            if self.manager.has_plugin(info.module):
                self.manager.unregister(name=info.module)
            for _, registry, names in kinds:
                registry.remove(info.module)
                names.clear()
            raise
        info.capabilities = {name: sorted(kind.capabilities) for name, kind in self.backends if name in info.backends}

    @staticmethod
    def _call(module: ModuleType, hook: str, registry: Registry[Any], names: list[str], owner: str) -> None:
        def register(noun: type[Any], /) -> None:
            registry.add(noun, owner)
            names.append(noun.name)

        getattr(module, hook)(register)


def _hooks(module: ModuleType, owner: str) -> list[str]:
    """The hooks ``module`` implements; a typo, a forgotten mark or an ``async def`` is an error that names it."""
    marked = [name for name, value in vars(module).items() if hasattr(value, "qwex_impl")]
    for name in marked:
        if name not in HOOKS:
            raise PluginError(f"{owner}: there is no hook {name!r}.{nearest(name, HOOKS)} Hooks: {', '.join(HOOKS)}")
        if inspect.iscoroutinefunction(getattr(module, name)):
            raise PluginError(f"{owner}: {name} is async; a hook is a plain function")
        _check_arguments(name, getattr(module, name), owner)
    for name in HOOKS:
        if name not in marked and inspect.isfunction(getattr(module, name, None)):
            raise PluginError(f"{owner}: {name} is not marked as a hook; put @qwex.hookimpl above it")
    return sorted(marked)


def _check_arguments(name: str, function: Any, owner: str) -> None:
    given = list(inspect.signature(function).parameters)
    known = list(inspect.signature(getattr(hookspecs, name)).parameters)
    if wrong := [argument for argument in given if argument not in known]:
        raise PluginError(f"{owner}: {name} has no argument {wrong[0]!r}; it takes ({', '.join(known)})")


def _discover(only: set[str]) -> list[PluginInfo]:
    """Every plugin: the built-in ones first, then entry points by name."""
    found: dict[str, PluginInfo] = {}
    for point in sorted(importlib.metadata.entry_points(group="qwex"), key=lambda point: point.name):
        name, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
        info = PluginInfo(point.value, version, name, point.name)
        found.setdefault(point.value, info).needs = _extra(point.dist, point.name) if point.dist else ""
    for module in DEFAULT_PLUGINS:
        if module not in found and importlib.util.find_spec(module):
            found[module] = PluginInfo(module)  # a source tree on the path, not installed
    ordered = [module for module in DEFAULT_PLUGINS if module in found]
    ordered += [module for module in found if module not in DEFAULT_PLUGINS]
    return [found[module] for module in ordered if not only or module in only]


def _extra(dist: importlib.metadata.Distribution, plugin: str) -> str:
    """How to install the extra that has the plugin's name, where some of it is missing."""
    marker = re.compile(rf"""extra\s*==\s*['"]{re.escape(plugin)}['"]""")
    for requirement in dist.requires or ():
        named = re.match(r"[\w.-]+", requirement)
        if named and marker.search(requirement) and not _is_installed(named[0]):
            return f"pip install '{dist.name}[{plugin}]'"
    return ""


def _is_installed(distribution: str) -> bool:
    try:
        return bool(importlib.metadata.version(distribution))
    except importlib.metadata.PackageNotFoundError:
        return False


def _checked(spec: JobSpec) -> JobSpec:
    """A policy's answer, validated: ``model_copy(update=…)`` takes anything."""
    from qwex.spec import JobSpec, validated

    checked: JobSpec = validated(JobSpec.model_validate, spec.model_dump(warnings=False))
    return checked


def _sentence(error: BaseException) -> str:
    return str(error) if isinstance(error, QwexError) else f"{type(error).__name__}: {error}"


def load(only: str = "") -> Plugins:
    """The plugins of this process; ``only`` is a comma-separated list of module names, empty for all."""
    return Plugins(part.strip() for part in only.split(",") if part.strip())
