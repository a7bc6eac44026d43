"""Quantities are read as Kubernetes reads them; what is not one is refused with an example of what is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwex.quantities import (
    GpuRequest,
    format_bytes,
    format_duration,
    parse_age,
    parse_cpu,
    parse_duration,
    parse_gpu,
    parse_memory,
)

GB = 10**9


@pytest.mark.parametrize(("text", "cores"), [("2", 2), ("0.5", 0.5), ("500m", 0.5), (" 4 ", 4), (1, 1), (1.5, 1.5)])
def test_cpu(text: str | float, cores: float) -> None:
    assert parse_cpu(text) == cores


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("512Mi", 512 * 2**20),
        ("4Gi", 2**32),
        ("4GiB", 2**32),
        ("2G", 2 * GB),
        ("2GB", 2 * GB),
        ("1.5G", 1.5 * GB),
        ("100KB", 100_000),
        ("100k", 100_000),
        ("1Ti", 2**40),
        ("1024", 1024),
        (1024, 1024),
    ],
)
def test_memory(text: str | int, amount: float) -> None:
    assert parse_memory(text) == amount


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("2d", 172_800), ("0.5s", 0.5), (30.0, 30)],
)
def test_duration(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "request_"),
    [
        ("1", GpuRequest(1)),
        (2, GpuRequest(2)),
        ("A100", GpuRequest(1, "A100")),
        ("A100:2", GpuRequest(2, "A100")),
        ("A100:80GB:2", GpuRequest(2, "A100", 80 * GB, 80 * GB)),
        ("24GB..80GB:1", GpuRequest(1, "", 24 * GB, 80 * GB)),
        ("24GB..:1", GpuRequest(1, "", 24 * GB, None)),
        ("..16GB", GpuRequest(1, "", 0, 16 * GB)),
    ],
)
def test_gpu(text: str | int, request_: GpuRequest) -> None:
    assert parse_gpu(text) == request_


def test_an_age_has_a_unit() -> None:
    assert parse_age("90d") == 90 * 86400
    assert parse_age("1h30m") == 5400
    for text in ("90", "1.5", "", " ", "soon", "-1d", "1h30", "d"):
        with pytest.raises(ValueError, match="is not an age with its unit; write for example 90d"):
            parse_age(text)


@pytest.mark.parametrize("parse", [parse_cpu, parse_memory, parse_duration, parse_gpu])
@pytest.mark.parametrize("text", ["", "0", "-1", "x y", "1e9", "1,5", "1:2:3:4", "\u0665", "\u00b2", "--", "9" * 5000])
def test_nonsense_is_refused_with_an_example(parse: object, text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse(text)


@pytest.mark.parametrize("parse", [parse_cpu, parse_memory, parse_duration, parse_gpu])
@pytest.mark.parametrize("given", [True, False])
def test_yes_and_no_are_no_amounts(parse: object, given: bool) -> None:
    with pytest.raises(ValueError, match=f"{given} is not .*; write"):
        parse(given)


@pytest.mark.parametrize("parse", [parse_cpu, parse_memory, parse_duration])
@pytest.mark.parametrize("text", ["nan", "inf", "2x", "1m2h", "1 2"])
def test_nonsense_is_no_amount(parse: object, text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse(text)


@pytest.mark.parametrize("text", ["80GB..24GB:1", "A100:B200:1", "0", "5000", "A100:", ":1", "..:1:"])
def test_bad_gpu_request(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 1, A100:2"):
        parse_gpu(text)


@pytest.mark.parametrize(
    ("wanted", "model", "memory", "fits"),
    [
        ("1", "NVIDIA H200", 141 * GB, True),
        ("A100:1", "NVIDIA A100-SXM4-80GB", 80 * GB, True),
        ("a100:1", "NVIDIA A100-SXM4-80GB", 80 * GB, True),
        ("A10:1", "NVIDIA A100-SXM4-80GB", 80 * GB, False),
        ("A100:80GB:1", "NVIDIA A100-PCIE-40GB", 40 * GB, False),
        ("A100:80GB:1", "NVIDIA A100-SXM4-80GB", int(79.2 * 2**30), True),
        ("24GB..80GB:1", "NVIDIA L4", 24 * GB, True),
        ("24GB..80GB:1", "NVIDIA H200", 141 * GB, False),
        ("24GB..:1", "NVIDIA H200", 141 * GB, True),
    ],
)
def test_a_card_is_accepted_by_its_model_and_memory(wanted: str, model: str, memory: int, fits: bool) -> None:
    assert parse_gpu(wanted).accepts(model, memory) is fits


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0s"), (-1, "0.0s"), (9.94, "9.9s"), (42, "42s"), (192, "3m12s"), (3840, "1h04m"), (183_600, "2d03h")],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (84 * 10**6, "84 MB"), (1.2 * GB, "1.2 GB"), (10**16, "10000 TB")],
)
def test_amounts_read_well(amount: float, text: str) -> None:
    assert format_bytes(amount) == text


@given(st.integers(1, 10**6))
def test_whole_numbers_are_read_as_they_are(number: int) -> None:
    assert parse_cpu(str(number)) == parse_memory(str(number)) == parse_duration(f"{number}s") == number
