"""What this machine has: cores, memory and GPUs, found or simulated."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwex.quantities import parse_gpu

if TYPE_CHECKING:
    from qwex_local.settings import LocalSettings

__all__ = ["Gpu", "Machine", "detect", "why_none"]

#: Left to the system and to the person in front of it.
_MEMORY_SHARE = 0.9
#: Present where an NVIDIA driver is loaded (the second under WSL); NVML is not even imported elsewhere.
_DRIVER_FILES = ("/dev/nvidiactl", "/dev/dxg")
_CGROUP_MEMORY = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@dataclass(frozen=True)
class Gpu:
    """One slot: ``id`` is what CUDA_VISIBLE_DEVICES takes, ``memory`` is in bytes (0 where it is not known)."""

    id: str
    model: str
    memory: int
    simulated: bool = False


@dataclass(frozen=True)
class Machine:
    """What jobs may use together: ``cpu`` in thousandths of a core, ``memory`` in bytes."""

    cpu: int
    memory: int
    gpus: tuple[Gpu, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether its GPUs are only pretended."""
        return any(gpu.simulated for gpu in self.gpus)


def detect(settings: LocalSettings) -> Machine:
    """This machine, where the settings do not say otherwise."""
    cpu = settings.cpu or _cores()
    memory = settings.memory or int(_memory() * _MEMORY_SHARE)
    gpus = _nvidia() if settings.gpus is None else _simulated(settings.gpus)
    return Machine(round(cpu * 1000), memory, gpus)


def why_none(settings: LocalSettings) -> str:
    """What keeps this machine from having GPUs for jobs, where it has none."""
    if settings.gpus is not None:
        return f"gpus in [local] is {settings.gpus}; without it those that are found are used"
    if not any(map(os.path.exists, _DRIVER_FILES)):
        return "this machine has no NVIDIA driver; GPUs of other makers are not looked for"
    if importlib.util.find_spec("pynvml") is None:
        return "this machine has an NVIDIA driver; to have its GPUs found: pip install 'qwex[gpu]'"
    return "the NVIDIA driver of this machine shows no GPU, or CUDA_VISIBLE_DEVICES hides them all"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in _CGROUP_MEMORY:
        try:
            return min(total, int(Path(name).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return total


def _simulated(text: str) -> tuple[Gpu, ...]:
    if text == "0":
        return ()
    asked = parse_gpu(text)
    model = asked.model or "simulated"
    return tuple(Gpu(str(index), model, asked.memory_min, simulated=True) for index in range(asked.count))


def _nvidia() -> tuple[Gpu, ...]:
    if not any(map(os.path.exists, _DRIVER_FILES)):
        return ()
    try:
        import pynvml
    except ImportError:
        return ()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return _visible(_devices(pynvml))
    finally:
        pynvml.nvmlShutdown()


def _devices(nvml: Any) -> list[tuple[Gpu, str]]:
    """Every GPU with its UUID; one that is cut into MIG instances is its instances, which CUDA names by UUID."""
    found: list[tuple[Gpu, str]] = []
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        instances = _instances(nvml, handle)
        named = [(_text(nvml.nvmlDeviceGetUUID(part)), part) for part in instances]
        found += [(_gpu(nvml, part, uuid), uuid) for uuid, part in named]
        if not instances:
            found.append((_gpu(nvml, handle, str(index)), _text(nvml.nvmlDeviceGetUUID(handle))))
    return found


def _instances(nvml: Any, handle: Any) -> list[Any]:
    found = []
    try:
        for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            found.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))
    except nvml.NVMLError:  # not a GPU that can be cut, or no further instance
        pass
    return found


def _gpu(nvml: Any, handle: Any, id: str) -> Gpu:
    return Gpu(id, _text(nvml.nvmlDeviceGetName(handle)), int(nvml.nvmlDeviceGetMemoryInfo(handle).total))


def _text(raw: bytes | str) -> str:
    """Older bindings answer in bytes."""
    return raw.decode() if isinstance(raw, bytes) else raw


def _visible(found: list[tuple[Gpu, str]]) -> tuple[Gpu, ...]:
    """Those this process may use itself: a CUDA_VISIBLE_DEVICES it was started with holds for its jobs too."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return tuple(gpu for gpu, _ in found)
    wanted = [word.strip() for word in listed.split(",") if word.strip()]
    return tuple(
        gpu for gpu, other in found if any(w == gpu.id or (other.startswith(w) and len(w) > 4) for w in wanted)
    )
