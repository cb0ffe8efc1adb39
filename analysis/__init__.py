"""Comparison of finished runs: paired statistics, schedules, reports, benchmarks."""
