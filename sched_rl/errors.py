"""Every error that a user can cause. The entry points print one line and exit with `exit_code`.

A message says the key or path, what was got, what is allowed and what to do.
"""

from __future__ import annotations


class SchedRLError(Exception):
    """Base of all errors that are a user's to mend; never shown as a traceback."""

    exit_code = 2


class ConfigError(SchedRLError):
    """A configuration that is misspelt, ill-typed, out of range or contradicts itself."""


class RunFolderError(SchedRLError):
    """A run folder that is missing, not empty, not writable or not a run folder."""


class CheckpointError(SchedRLError):
    """A checkpoint that is missing, damaged, of another version or of another network."""


class WorkloadError(SchedRLError):
    """A workload that no cluster could run: jobs too wide, negative times, unknown families."""


class SimulationError(SchedRLError):
    """An action, mask or number inside the simulator that must not occur."""


class TrackingError(SchedRLError):
    """A tracking store that cannot be reached, created or written."""


class LaunchError(SchedRLError):
    """A multirun's launcher that lost a job: a worker killed, a batch system that refused."""
