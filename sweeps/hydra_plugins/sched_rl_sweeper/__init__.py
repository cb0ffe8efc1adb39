"""The plugin by which Hydra finds our sweeper; everything heavy is in `sweeps`."""
