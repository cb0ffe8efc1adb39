"""Schedulers that are written down rather than learned; they see the playbook's observation and nothing else."""
