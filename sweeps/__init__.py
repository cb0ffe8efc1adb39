"""Hyper-parameter sweeps: the Hydra sweeper plugin, and the promotion of winners on held-out blocks."""
