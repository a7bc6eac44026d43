"""Kubernetes quantities, durations and the GPU grammar: text in, numbers out, one clear error each."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = [
    "GpuRequest",
    "format_bytes",
    "format_duration",
    "has_unit",
    "parse_age",
    "parse_cpu",
    "parse_duration",
    "parse_gpu",
    "parse_job_memory",
    "parse_memory",
]

_DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
#: ASCII digits only, and not so many that a float or an int cannot hold them.
_NUMBER = r"(\d{1,18}(?:\.\d{1,18})?)"
_MEMORY = re.compile(_NUMBER + r"\s*(|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi|KB|MB|GB|TB)B?", re.ASCII)
_CPU = re.compile(_NUMBER + r"(m?)", re.ASCII)
_DURATION = re.compile(rf"(?:(\d{{1,9}})d)?(?:(\d{{1,9}})h)?(?:(\d{{1,9}})m)?(?:{_NUMBER}s?)?", re.ASCII)
_LEAST_MEMORY = 1 << 20
_LONGEST_DURATION = 3650 * 86400.0
_GPU_MEMORY = re.compile(_NUMBER + r"(GB|GiB|Gi|G|MB|MiB|Mi|M)", re.ASCII)
_GPU_COUNT = re.compile(r"\d{1,4}", re.ASCII)


def parse_cpu(text: str | float) -> float:
    """Cores, from ``2``, ``0.5`` or ``500m`` (Kubernetes' CPU quantity)."""
    match = _CPU.fullmatch(str(text).strip())
    if not match or float(match[1]) <= 0:
        raise ValueError(f"{text!r} is not an amount of CPU above 0; write cores (2, 0.5) or millicores (500m)")
    return float(match[1]) / (1000 if match[2] else 1)


def parse_memory(text: str | int) -> int:
    """Bytes, from ``512Mi``, ``2Gi`` (powers of two) or ``2G``, ``2GB`` (powers of ten)."""
    match = _MEMORY.fullmatch(str(text).strip())
    if not match or float(match[1]) <= 0:
        raise ValueError(f"{text!r} is not an amount of memory above 0; write for example 512Mi, 2Gi or 2G")
    unit = match[2].removesuffix("B").replace("K", "k") if match[2] not in _BINARY else match[2]
    return int(float(match[1]) * (_BINARY.get(unit) or _DECIMAL[unit]))


def parse_job_memory(text: str | int) -> int:
    """The same, for a job: nobody means so few bytes that no program fits into them."""
    size = parse_memory(text)
    if size < _LEAST_MEMORY:
        raise ValueError(
            f"{text!r} is {size:,} bytes, and no job fits into that; write for example {text}Gi or {text}Mi"
        )
    return size


def parse_duration(text: str | float) -> float:
    """Seconds, from ``90``, ``90s``, ``15m``, ``1h30m`` or ``2d``; from a millisecond to ten years."""
    is_number = isinstance(text, (int, float)) and not isinstance(text, bool) and abs(text) < _LONGEST_DURATION
    written = format(text, ".6f") if is_number else str(text)
    match = _DURATION.fullmatch(written.strip())
    days, hours, minutes, seconds = match.groups() if match else (None,) * 4
    total = int(days or 0) * 86400 + int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)
    if not 0.001 <= total <= _LONGEST_DURATION:
        limits = "from a millisecond to ten years"
        raise ValueError(f"{text!r} is not a duration {limits}; write for example 90s, 15m, 1h30m or 2d")
    return total


def has_unit(text: str) -> bool:
    """Whether a duration says of what it is: 90 may have meant days."""
    return text.strip()[-1:].isalpha()


def parse_age(text: str) -> float:
    """Seconds, as ``parse_duration``, but never without a unit: what is older goes."""
    try:
        if has_unit(text):
            return parse_duration(text)
    except ValueError:
        pass
    raise ValueError(f"{text!r} is not an age with its unit; write for example 90d, 12h or 30m")


def format_duration(seconds: float) -> str:
    """``0.4s``, ``42s``, ``3m12s``, ``1h04m`` or ``2d03h``."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def format_bytes(amount: float) -> str:
    """``512 B``, ``84 MB``, ``1.2 GB``: powers of ten."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:.1f} {unit}"


@dataclass(frozen=True)
class GpuRequest:
    """``count`` GPUs, of a model and with memory (bytes, each GPU) in a range, where given."""

    count: int
    model: str = ""
    memory_min: int = 0
    memory_max: int | None = None

    def accepts(self, model: str, memory: int) -> bool:
        """Whether a GPU called ``model`` (as NVML says it) with ``memory`` bytes is one of these."""
        named = self.model.lower() in model.lower().replace(" ", "-").split("-") if self.model else True
        # Cards report a little less than their name says: an "80GB" A100 has 79.2 GiB usable.
        enough = memory >= self.memory_min * 0.9
        return named and enough and (self.memory_max is None or memory <= self.memory_max * 1.1)


def parse_gpu(text: str | int) -> GpuRequest:
    """The GPU grammar: ``1``, ``A100:2``, ``A100:80GB:2``, ``24GB..80GB:1``, ``24GB..:1``."""
    parts = [part.strip() for part in str(text).strip().split(":")]
    count = int(parts.pop()) if _GPU_COUNT.fullmatch(parts[-1]) else 1
    # Yes and no would be names of models.
    if isinstance(text, bool) or not 1 <= count <= 4096 or len(parts) > 2 or "" in parts:
        raise _bad_gpu(text)
    model, low, high = "", 0, None
    for part in parts:
        if ".." in part or _GPU_MEMORY.fullmatch(part):
            low, high = _memory_range(part, text)
        elif re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*", part) and not model:
            model = part
        else:
            raise _bad_gpu(text)
    return GpuRequest(count, model, low, high)


def _memory_range(part: str, text: str | int) -> tuple[int, int | None]:
    first, dots, second = part.partition("..")
    low = parse_memory(first) if first else 0
    high = (parse_memory(second) if second else None) if dots else low
    if high is not None and high < low:
        raise _bad_gpu(text)
    return low, high


def _bad_gpu(text: object) -> ValueError:
    return ValueError(f"{text!r} is not a GPU request; write 1, A100:2, A100:80GB:2 or 24GB..80GB:1")
