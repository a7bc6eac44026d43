from __future__ import annotations

import pytest
from objects_as_the_api_has_them import condition, workload

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
