"""Notebook kernels on dev machines: what Jupyter starts here for a kernel there.

``launcher`` is the process that a kernelspec names; to Jupyter it is the kernel. ``keeper`` is what it starts in the
machine, where qwex need not be installed: it travels through ssh, with ``link``. ``provisioner`` tells Jupyter why a
kernel does not start, and lets it end in order; front ends that know no provisioners do without it.
"""
