"""Write vsem.json: the first days of a few runs of VSEM in BayesianTools (C++).

Usage: python make_vsem.py [folder with vsem.nc]

Without an argument the folder is ``reference`` beside the one that LSM_BAYES_DATA names.
"""

import json
import os
import sys
from pathlib import Path

import xarray as xr

SAMPLES, DAYS = (0, 1, 7), 4


def frozen(file: Path) -> dict[str, object]:
    """Take the first days of some samples."""
    with xr.open_dataset(file) as data:
        return {
            "provenance": {k: data.attrs[k] for k in ("title", "source")}
            | {"file": file.name, "samples": SAMPLES, "columns": data["output"].attrs["columns"], "generator": Path(__file__).name},
            "parameters": data["parameters"].values[list(SAMPLES)].tolist(),
            "PAR": data["PAR"].values[:DAYS].tolist(),
            "output": data["output"].values[list(SAMPLES), :DAYS].tolist(),
        }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(os.environ["LSM_BAYES_DATA"]).resolve().parent / "reference"
    Path(__file__).with_name("vsem.json").write_text(json.dumps(frozen(folder / "vsem.nc"), indent=1) + "\n")
