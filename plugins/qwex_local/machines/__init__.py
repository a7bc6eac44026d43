"""Dev machines on this computer: a process of the user's own that holds quota in the queue of the jobs."""
