"""The verbs of the command line, a file for each.

The libraries take seconds to import, so each verb imports what it needs when it runs and --help answers at once.
"""

from lsm_bayes.commands.bench import BENCH
from lsm_bayes.commands.calibrate import CALIBRATE
from lsm_bayes.commands.check import CHECK
from lsm_bayes.commands.compare import COMPARE
from lsm_bayes.commands.data import DATA
from lsm_bayes.commands.external import EXTERNAL
from lsm_bayes.commands.models import MODELS
from lsm_bayes.commands.report import REPORT
from lsm_bayes.commands.simulate import SIMULATE

__all__ = ["VERBS"]

VERBS = (MODELS, DATA, SIMULATE, CALIBRATE, REPORT, COMPARE, CHECK, BENCH, EXTERNAL)
