"""The ensemble Kalman filter and smoother: the Kalman filter of linear models, and calibrations that are stepped."""

import json

import numpy as np
import pymc as pm
import pytest
from lsm_bayes.models import get

from lsm_bayes.calibration import Stream, build_model
from lsm_bayes.errors import ErrorModel
from lsm_bayes.inference.ensemble import EnsembleUpdate, ensemble_kalman_filter, ensemble_smoother, filter_ensemble
from lsm_bayes.inference.ensemble.members import matched
from lsm_bayes.inference.inverse import InverseProblem

STATED = ErrorModel(structural=None, envelope=0.0, correlation=None, discrepancy=None)
TWIN = get("vsem_twin")


class Linear:
    """A pool that fills by an unknown parameter and empties in part, seen with noise in some windows."""

    move = np.array([[0.9, 1.0, 0.2], [0.0, 0.8, 0.1], [0.0, 0.0, 1.0]])
    noise = np.diag([0.3, 0.1, 0.0])
    mean, covariance = np.array([2.0, 1.0, 0.5]), np.diag([1.0, 0.5, 0.2]) + 0.05

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        sizes = (1, 0, 3, 2, 0, 1)
        self.see = [rng.normal(size=(m, 3)) for m in sizes]
        self.seen = [rng.normal(size=m) for m in sizes]

    def all_at_once(self, noisy: bool) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray, np.ndarray]:
        """Means and covariances with past observations, and with all: each one regression on the joint normal of all states."""
        n = 3 * (len(self.see) + 1)
        paths = np.zeros((n, n))  # of the initial deviation and the noises
        for k in range(len(self.see) + 1):
            for j in range(k + 1):
                paths[3 * k : 3 * k + 3, 3 * j : 3 * j + 3] = np.linalg.matrix_power(self.move, k - j)
        inputs = np.zeros((n, n))
        inputs[:3, :3] = self.covariance
        for k in range(1, len(self.see) + 1):
            inputs[3 * k : 3 * k + 3, 3 * k : 3 * k + 3] = self.noise**2 * noisy
        prior, mean = paths @ inputs @ paths.T, paths[:, :3] @ self.mean
        h = np.vstack([np.pad(v, ((0, 0), (3 * k + 3, n - 3 * k - 6))) for k, v in enumerate(self.see)])
        counts = np.cumsum([len(y) for y in self.seen])

        def given(rows: int) -> tuple[np.ndarray, np.ndarray]:
            some, y = h[:rows], np.concatenate(self.seen)[:rows]
            gain = prior @ some.T @ np.linalg.inv(some @ prior @ some.T + np.eye(rows))
            return mean + gain @ (y - some @ mean), prior - gain @ some @ prior

        past = [given(int(c)) for c in counts]
        here = [slice(3 * k + 3, 3 * k + 6) for k in range(len(self.see))]
        means = [m[s] for (m, _), s in zip(past, here, strict=True)]
        covariances = [c[s, s] for (_, c), s in zip(past, here, strict=True)]
        return means, covariances, past[-1][0], past[-1][1]

    def log_evidence(self) -> float:
        rows = np.vstack([h @ np.linalg.matrix_power(self.move, k + 1) for k, h in enumerate(self.see)])
        residual = np.concatenate(self.seen) - rows @ self.mean
        covariance = rows @ self.covariance @ rows.T + np.eye(len(residual))
        return float(-0.5 * (residual @ np.linalg.solve(covariance, residual) + np.linalg.slogdet(covariance)[1]))

    def run(self, members: int, *, noisy: bool, kind: str, seed: int, **options):
        rng = np.random.default_rng(seed)

        def forecast(k, x):
            moved = x @ self.move.T + noisy * rng.standard_normal(x.shape) @ self.noise
            return moved, moved @ self.see[k].T

        start = matched(rng.standard_normal((members, 3)), self.mean, self.covariance)
        return filter_ensemble(start, forecast, self.seen, update=EnsembleUpdate(kind), rng=rng, **options)


LINEAR = Linear()


def test_filter_and_smoother_are_exact_without_noise() -> None:
    found = LINEAR.run(12, noisy=False, kind="square_root", seed=0)
    means, covariances, mean, covariance = LINEAR.all_at_once(noisy=False)
    for k, x in enumerate(found.analysed):
        assert np.allclose(x.mean(axis=0), means[k], rtol=0, atol=1e-8)
        assert np.allclose(np.cov(x, rowvar=False), covariances[k], rtol=0, atol=1e-8)
    for k, x in enumerate([found.initial, *found.smoothed]):
        here = slice(3 * k, 3 * k + 3)
        assert np.allclose(x.mean(axis=0), mean[here], rtol=0, atol=1e-8)
        assert np.allclose(np.cov(x, rowvar=False), covariance[here, here], rtol=0, atol=1e-8)
    assert np.isclose(found.log_evidence.sum(), LINEAR.log_evidence(), rtol=1e-10)


@pytest.mark.parametrize("kind", ["square_root", "perturbed"])
def test_filter_and_smoother_with_process_noise(kind: str) -> None:
    members, repeats = 200, 16
    runs = [LINEAR.run(members, noisy=True, kind=kind, seed=s) for s in range(repeats)]
    means, covariances, mean, covariance = LINEAR.all_at_once(noisy=True)
    wanted = [*means, *(mean[3 * k : 3 * k + 3] for k in range(1, 7))]
    spreads = [*(np.diag(c) for c in covariances), *(np.diag(covariance)[3 * k : 3 * k + 3] for k in range(1, 7))]
    ensembles = [np.array([r.analysed[k] for r in runs]) for k in range(6)] + [np.array([r.smoothed[k] for r in runs]) for k in range(6)]
    scores = []
    for x, m, v in zip(ensembles, wanted, spreads, strict=True):
        for values, right in ((x.mean(axis=1), m), (x.var(axis=1, ddof=1), v)):
            scores.append((values.mean(axis=0) - right) / (values.std(axis=0, ddof=1) / np.sqrt(repeats)))
    # 72 figures: three standard errors for nearly all, and none far out.
    assert np.mean(np.abs(scores) < 3) > 0.95 and np.max(np.abs(scores)) < 4.5


def test_lag_limits_how_far_back_observations_reach() -> None:
    everything, some, none = (LINEAR.run(12, noisy=False, kind="square_root", seed=0, **o) for o in ({}, {"lag": 2}, {"smooth": False}))
    assert np.array_equal(none.smoothed, none.analysed) and np.allclose(none.analysed, everything.analysed)
    assert np.allclose(some.smoothed[-3:], everything.smoothed[-3:]) and not np.allclose(some.smoothed[1], everything.smoothed[1])


def test_members_that_fail_on_the_way_are_replaced() -> None:
    rng = np.random.default_rng(1)

    def forecast(k, x):
        moved = x @ LINEAR.move.T
        if k == 1:  # a window without observations
            moved[:4] = np.nan
        return moved, moved @ LINEAR.see[k].T

    start = matched(rng.standard_normal((60, 3)), LINEAR.mean, LINEAR.covariance)
    found = filter_ensemble(start, forecast, LINEAR.seen, rng=rng)
    assert list(found.failed) == [0, 4, 0, 0, 0, 0] and np.isfinite(found.smoothed).all()
    assert np.allclose(found.analysed[1][4:], found.forecast[1][4:])
    means, _, _, _ = LINEAR.all_at_once(noisy=False)
    assert np.allclose(found.analysed[-1].mean(axis=0), means[-1], atol=0.5)


def year(error: ErrorModel = STATED, period: str = "day") -> pm.Model:
    data = TWIN.twin(0)[0].isel(time=slice(0, 365))
    streams = [Stream("nee", period, error), TWIN.stream("soil_carbon", STATED)]
    return build_model(TWIN.LAND, data, streams, fixed=TWIN.RIGHT)


@pytest.fixture(scope="module")
def problem() -> InverseProblem:
    return InverseProblem(year())


def test_one_window_is_the_smoother(problem: InverseProblem) -> None:
    filtered = ensemble_kalman_filter(problem, 30, "year", seed=4)
    smoothed = ensemble_smoother(problem, 30, 1, seed=4)
    a, b = (t["unconstrained"]["position"].values for t in (filtered, smoothed))
    assert np.allclose(a, b, rtol=0, atol=1e-8) and filtered["states"].sizes["window"] == 1
    cost = json.loads(filtered.attrs["cost"])
    assert cost["forward_runs"] == 31 and json.loads(filtered.attrs["ensemble"])["failed_members"] == 0


def test_weeks_find_the_parameters_and_states(problem: InverseProblem) -> None:
    tree = ensemble_kalman_filter(problem, 60, "week", seed=1)
    truth = TWIN.TRUTH
    posterior, states = tree["posterior"], tree["states"]
    assert states.sizes["window"] == 52 and list(states["stage"].values) == ["forecast", "analysed", "smoothed"]
    for n in ("light_use_efficiency", "soil_carbon"):
        x = posterior[n].values
        assert abs(x.mean() - truth[n]) < 5 * x.std(), (n, x.mean(), x.std(), truth[n])
    assert states["soil_carbon"].attrs["units"] == "gC m-2"
    spread = states["soil_carbon"].std("member")
    assert spread.sel(stage="smoothed").values[0] < spread.sel(stage="forecast").values[0]


def test_process_noise_widens_states(problem: InverseProblem) -> None:
    trees = [ensemble_kalman_filter(problem, 40, "month", process_noise=n, seed=1) for n in ({}, {"soil_carbon": 0.01})]
    spreads = [t["states"]["soil_carbon"].sel(stage="analysed").values[-1].std() for t in trees]
    assert spreads[1] > 1.5 * spreads[0]


def test_what_cannot_be_stepped_is_refused(problem: InverseProblem) -> None:
    with pytest.raises(ValueError, match="reach over the end of a window; got window='day', give a longer one"):
        ensemble_kalman_filter(year(period="week"), 10, "day")
    remembering = year(ErrorModel(structural=None, envelope=0.0, discrepancy=None))
    hold = {rv.name: 0.5 for rv in remembering.free_RVs if rv.name.startswith("nee_")}
    with pytest.raises(ValueError, match="predictions of nee are not those of the whole record"):
        ensemble_kalman_filter(InverseProblem(remembering, hold=hold), 10)
    with pytest.raises(KeyError, match=r"process noise for \['leaf'\]; the states are"):
        ensemble_kalman_filter(problem, 10, process_noise={"leaf": 0.1})
    with pytest.raises(ValueError, match="accepted are 'log' and 'linear'"):
        ensemble_kalman_filter(problem, 10, state_scale="cubic")
    with pytest.raises(ValueError, match="a taper of given weights does not fit"):
        ensemble_kalman_filter(problem, 10, update=EnsembleUpdate(taper=np.ones((6, 3))))
    with pm.Model() as plain:
        pm.Normal("y", pm.Normal("x"), 1.0, observed=0.0)
    with pytest.raises(TypeError, match="needs a model from lsm_bayes.calibration.build_model"):
        ensemble_kalman_filter(plain, 10)
