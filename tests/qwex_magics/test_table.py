from __future__ import annotations

from qwex.state import QuotaLine, Why
from qwex_magics.table import why_text

LINES = (QuotaLine("cpu", 2, 2, 2), QuotaLine("memory", 4e9, 1e9, 8e9), QuotaLine("gpu", 0, 0, 0))


def test_why_says_where_what_and_what_would_help():
    why = Why("waits for 2 CPU", position=3, position_in="default", quota=LINES, suggestions=("queue b has 4 free",))
    assert why_text(why).splitlines() == [
        "3rd in default · waits for 2 CPU",
        "  cpu: asks for 2; 2 of 2 in use",
        "  memory: asks for 4.0 GB; 1.0 GB of 8.0 GB in use",
        "  → queue b has 4 free",
    ]
