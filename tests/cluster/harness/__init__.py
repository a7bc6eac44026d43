"""A real Kubernetes with Kueue on one machine, for tests and for people.

``make cluster-build`` once, then ``make cluster-up`` and ``make cluster-down``, or ``QWEX_CLUSTER=1 make test``. Tests
take the fixtures of ``tests/cluster/conftest.py``; ``QWEX_TEST_KUBECONFIG`` names a cluster to use instead. One that
``make cluster-up`` started saves them its start.

What runs: etcd, API server, controller-manager, scheduler, Kueue and kwok as processes of this machine, and a node of
containerd and kubelet that runs real pods. All of it lives in one folder, behind one supervisor (``supervisor.py``), in
a PID and a mount namespace that take everything with them when they end. Nothing is imported here, since that
supervisor comes from this package too.
"""
