"""The tables of the project, rerun from scratch by `python -m analysis.results`; see `__main__`."""
