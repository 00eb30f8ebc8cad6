"""Reference posteriors of the collection: made until their checks hold, stored beside the model, verified with another seed.

A reference is defined by its checks, as in posteriordb (Magnusson et al. 2024, arXiv 2407.04967; its rules from memory): R-hat, effective
sample sizes, divergences and energy, each stored with its threshold and verdict, beside the seed, the versions and the hash of the data.
"""

from lsm_bayes.reference.case import dataset_hash
from lsm_bayes.reference.make import make_reference
from lsm_bayes.reference.verify import Verification, check_reference

__all__ = ["Verification", "check_reference", "dataset_hash", "make_reference"]
