"""Jobs: what arrives at a cluster, when, how long it runs and how much of it it needs."""
