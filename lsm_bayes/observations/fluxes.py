"""Carbon exchange measured by eddy covariance: means over a step, in gC m-2 d-1."""

from lsm_bayes.observations.operator import ObservationOperator

NEE = ObservationOperator("nee", {"nee": (-50.0, 50.0)}, lambda s: s["nee"])
NBE = ObservationOperator("nbe", {"nbe": (-50.0, 500.0)}, lambda s: s["nbe"])
GPP = ObservationOperator("gpp", {"gpp": (0.0, 50.0)}, lambda s: s["gpp"])
RECO = ObservationOperator("reco", {"reco": (0.0, 50.0)}, lambda s: s["reco"])
