"""`report.html`: a run on one page that needs nothing else, to be read in the playbook's order."""

from sched_rl.reporting.run_page.document import page_html
from sched_rl.reporting.run_page.writing import diagnose_and_write_page, write_page

__all__ = ["diagnose_and_write_page", "page_html", "write_page"]
