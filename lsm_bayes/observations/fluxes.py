"""Carbon exchange measured by eddy covariance: means over a step, in gC m-2 d-1."""

from lsm_bayes.observations.operator import ObservationOperator

NEE = ObservationOperator("nee", ("nee",), lambda s: s["nee"])
NBE = ObservationOperator("nbe", ("nbe",), lambda s: s["nbe"])
GPP = ObservationOperator("gpp", ("gpp",), lambda s: s["gpp"])
RECO = ObservationOperator("reco", ("reco",), lambda s: s["reco"])
