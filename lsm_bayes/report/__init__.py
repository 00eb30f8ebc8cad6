"""The report: one self-contained HTML file."""

from lsm_bayes.report.comparison import write_comparison
from lsm_bayes.report.document import write_report

__all__ = ["write_comparison", "write_report"]
