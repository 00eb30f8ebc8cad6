"""A regression with normal prior and known errors with memory: every predictive density and the evidence are known."""

import numpy as np
import pandas as pd
import pymc as pm

PHI, SD, PRIOR = 0.5, 0.7, 2.0
TIME = pd.date_range("2001-01-04", periods=4 * 52, freq="7D")


def design(columns: int) -> np.ndarray:
    """Season, trend and harmonics, (time, column)."""
    angle = 2 * np.pi * TIME.day_of_year.to_numpy() / 365.25
    trend = np.linspace(-1, 1, TIME.size)
    every = [np.ones(TIME.size), np.cos(angle), np.sin(angle), trend, np.cos(2 * angle), np.sin(2 * angle), trend**2]
    return np.column_stack(every[:columns])


def made_up(seed: int = 1, columns: int = 4) -> pd.DataFrame:
    """Observations with AR(1) errors, as a table."""
    rng = np.random.default_rng(seed)
    error = rng.normal(size=TIME.size)
    for t in range(1, TIME.size):
        error[t] = PHI * error[t - 1] + np.sqrt(1 - PHI**2) * error[t]
    value = design(columns) @ rng.normal(0, 1.5, columns) + SD * error
    return pd.DataFrame({"stream": "y", "site": "XX-One", "time": TIME, "value": value})


def whitened(table: pd.DataFrame, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Innovations as a regression: design, target and sd of each row."""
    x, y = design(columns), table["value"].to_numpy()
    before = np.vstack([np.zeros((1, columns)), x[:-1]]), np.append(0.0, y[:-1])
    sd = SD * np.append(1.0, np.full(TIME.size - 1, np.sqrt(1 - PHI**2)))
    return x - PHI * before[0], y - PHI * before[1], sd


def regression(table: pd.DataFrame, columns: int) -> pm.Model:
    """The model: `columns` coefficients."""
    x, y, sd = whitened(table, columns)
    with pm.Model() as model:
        coefficients = pm.Normal("coefficients", 0.0, PRIOR, shape=columns)
        pm.Normal("y", x @ coefficients, sd, observed=y)
    return model


def log_predictive(table: pd.DataFrame, columns: int, fitted: np.ndarray, scored: np.ndarray) -> float:
    """Log density of the scored rows given the fitted ones."""
    x, y, sd = whitened(table, columns)
    precision = np.eye(columns) / PRIOR**2 + x[fitted].T @ (x[fitted] / sd[fitted, None] ** 2)
    covariance = np.linalg.inv(precision)
    mean = covariance @ (x[fitted].T @ (y[fitted] / sd[fitted] ** 2))
    spread = np.diag(sd[scored] ** 2) + x[scored] @ covariance @ x[scored].T
    residual = y[scored] - x[scored] @ mean
    return float(-0.5 * (residual @ np.linalg.solve(spread, residual) + np.linalg.slogdet(2 * np.pi * spread)[1]))
