"""Finds the packages: `lsm_bayes`, and the folders of `models/`, which are installed below `lsm_bayes.models`."""

from setuptools import find_namespace_packages, find_packages, setup

setup(
    packages=[
        *find_packages(include=["lsm_bayes", "lsm_bayes.*"]),
        "lsm_bayes.models",
        *(f"lsm_bayes.models.{name}" for name in find_namespace_packages("models")),
        "lsm_bayes.data",
    ],
)
