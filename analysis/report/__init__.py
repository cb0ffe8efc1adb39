"""One self-contained page for a set of runs: the statement, the figures, the diagnoses, the commands."""

from analysis.report.page import report_html

__all__ = ["report_html"]
