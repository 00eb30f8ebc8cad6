"""Write dalec400.json: a few dozen numbers of complete runs of CARDAMOM's DALEC-CDEA (model 400, C).

Usage: python make_dalec400.py [folder with dalec400_daily_FI-Hyy.nc and dalec400_monthly.nc]

Without an argument the folder is ``reference`` beside the one that LSM_BAYES_DATA names.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import xarray as xr

FORCING = ("time_index", "DOY", "T2M_MIN", "T2M_MAX", "SSRD", "CO2", "BURNED_AREA")
CHOSEN = {"dalec400_daily_FI-Hyy.nc": (0, 12), "dalec400_monthly.nc": (3, 14)}  # sample, number of steps


def frozen(file: Path, sample: int, steps: int) -> dict[str, object]:
    """Take the first steps of one sample."""
    with xr.open_dataset(file) as data:
        names = data.attrs["flux_names"].split()
        fluxes = data["fluxes"].values[sample, :steps]
        return {
            "provenance": {k: data.attrs[k] for k in ("title", "source", "build")}
            | {"file": file.name, "sample": sample, "generator": Path(__file__).name},
            "latitude": float(data["in_LAT"].values[0]),
            "parameters": data["parameters"].values[sample].tolist(),
            "forcing": {n: data[f"in_{n}"].values[:steps].astype(float).tolist() for n in FORCING},
            "pools": dict(zip(data.attrs["pool_names"].split(), data["pools"].values[sample, steps].tolist(), strict=True)),
            "flux_sums": dict(zip(names, np.sum(fluxes, axis=0).tolist(), strict=True)),
        }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(os.environ["LSM_BAYES_DATA"]).resolve().parent / "reference"
    made = {name: frozen(folder / name, *chosen) for name, chosen in CHOSEN.items()}
    Path(__file__).with_name("dalec400.json").write_text(json.dumps(made, indent=1) + "\n")
