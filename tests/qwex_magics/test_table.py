from __future__ import annotations

from qwex.state import QueueInfo, QuotaLine, Why
from qwex_magics.table import Table, queue_table, why_text

LINES = (QuotaLine("cpu", 2, 2, 2), QuotaLine("memory", 4e9, 1e9, 8e9), QuotaLine("gpu", 0, 0, 0))


def test_a_table_as_text_and_as_escaped_html():
    table = Table(("name", "value"), [("a", "<b>"), ("longer", "1")])
    assert repr(table) == "name    value\na       <b>\nlonger  1"
    assert "<td" in table._repr_html_()
    assert "<b>" not in table._repr_html_()


def test_queues_show_what_is_used_of_what_there_is():
    text = repr(queue_table([QueueInfo("day", "local", 3, 1, LINES, default=True)]))
    assert "day (default)  local    3        1        2 of 2 cpu, 1.0 GB of 8.0 GB memory, 0 of 0 gpu" in text


def test_why_says_where_what_and_what_would_help():
    why = Why("waits for 2 CPU", position=3, position_in="default", quota=LINES, suggestions=("queue b has 4 free",))
    assert why_text(why).splitlines() == [
        "3rd in default · waits for 2 CPU",
        "  cpu: asks for 2; 2 of 2 in use",
        "  memory: asks for 4.0 GB; 1.0 GB of 8.0 GB in use",
        "  → queue b has 4 free",
    ]
