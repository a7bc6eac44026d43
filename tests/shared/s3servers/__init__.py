"""Real S3 servers on this machine, for tests and for people: ``make s3-build``, ``make s3-up``, ``make s3-down``.

The Versity gateway is built from its Go module, as the programs of the test cluster are; it keeps objects as plain
files of one folder. OpenStack Swift comes as a Python package, into a virtual environment of its own.
"""
