from __future__ import annotations

import pytest
from objects_as_the_api_has_them import condition, pod, workload
from qwex_kueue.amounts import quantity

RESERVED, FINISHED = condition("QuotaReserved"), condition("Finished")


@pytest.mark.parametrize(
    ("conditions", "active", "holds"),
    [
        ((), True, False),
        ((condition("QuotaReserved", "False", "Suspended", "LocalQueue default is inactive"),), True, False),
        ((RESERVED,), True, True),
        ((RESERVED, FINISHED), True, None),
        ((condition("QuotaReserved", "False"),), False, None),
    ],
)
def test_a_workload_waits_or_holds_quota_or_has_done_with_it(conditions, active, holds):
    assert workload(*conditions, active=active).holds is holds


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("4", 4.0), (2, 2.0), (".5", 0.5), ("1.", 1.0), ("0", 0.0), ("1e9", 1e9), ("12E-1", 1.2),
        ("1500000000n", 1.5), ("250u", 0.00025), ("1900m", 1.9),
        ("3k", 3e3), ("1M", 1e6), ("2G", 2e9), ("1T", 1e12), ("1P", 1e15), ("2E", 2e18),
        ("1Ki", 1024.0), ("64Mi", 2.0**26), ("1.5Gi", 1.5 * 2**30), ("1Ti", 2.0**40), ("1Pi", 2.0**50),
        ("1Ei", 2.0**60),
    ],
)  # fmt: skip
def test_a_quantity_may_have_any_suffix_of_kubernetes(written, number):
    assert quantity(written) == number


@pytest.mark.parametrize("written", ["", "1e3m", "Gi", "1 Gi", "1KB", "1.2.3", "nan"])
def test_what_is_no_quantity_is_refused(written):
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        quantity(written)


@pytest.mark.parametrize(("limit", "size"), [("64Mi", 2**26), ("1e9", 10**9), ("128974848000m", 128974848)])
def test_a_pods_memory_may_be_written_in_any_way(limit, size):
    assert pod(memory=limit).memory == size
