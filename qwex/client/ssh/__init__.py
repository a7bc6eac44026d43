"""Dev machines for the user's own ``ssh``: its configuration, its key, and the process that it starts to connect."""
