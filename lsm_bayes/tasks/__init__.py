"""Independent sites, pixels, folds and chains as tasks: in this process, in several, or on a Dask cluster.

Workers import this package for every kind of task, so the parts that need PyMC are imported when they are asked for.
"""

from lsm_bayes.tasks.run import EXECUTORS, Outcome, run_tasks
from lsm_bayes.tasks.task import Task

__all__ = ["EXECUTORS", "Outcome", "Task", "run_tasks"]
