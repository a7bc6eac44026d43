"""The controller: one process that keeps every job of its users, hands them to backends and tells their stories.

Read from the outside in: ``daemon`` and ``server`` listen, ``app`` has the routes, ``service`` the use cases;
``submission``, ``lifecycle`` and ``pump`` move jobs; ``store``, ``writer`` and ``eventlog`` keep them.
"""
