"""Dev machines on a cluster: StatefulSets of one pod or none, which Kueue admits as it does jobs."""
