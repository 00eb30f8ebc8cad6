"""Write dalec_water.json: a few dozen numbers of complete runs of CARDAMOM's DALEC 811 and 1005 (C).

Usage: python make_dalec_water.py [folder with dalec811_daily_FI-Hyy.nc, dalec811_monthly.nc, dalec1005_...]

Without an argument the folder is ``reference`` beside the one that LSM_BAYES_DATA names.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import xarray as xr

FORCING = ("time_index", "DOY", "T2M_MIN", "T2M_MAX", "SSRD", "CO2", "BURNED_AREA", "VPD", "PREC")
RENAMED = {"time_index": "time", "PREC": "TOTAL_PREC"}  # CARDAMOM v3
CHOSEN = {  # sample, number of steps
    "dalec811_daily_FI-Hyy.nc": (0, 12),
    "dalec811_monthly.nc": (4, 14),
    "dalec1005_daily_FI-Hyy.nc": (6, 12),
    "dalec1005_monthly.nc": (1, 14),
}


def frozen(file: Path, sample: int, steps: int) -> dict[str, object]:
    """Take the first steps of one sample."""
    with xr.open_dataset(file) as data:
        there = {n: f"in_{n}" if f"in_{n}" in data else f"in_{RENAMED[n]}" for n in FORCING}
        fluxes = data["fluxes"].values[sample, :steps]
        # Version 3 takes the means of the forcing of the run, version 2.2 those of the reference period in the file.
        temperature = float(data["in_T2M_MIN"].mean() + data["in_T2M_MAX"].mean()) / 2
        return {
            "provenance": {k: data.attrs[k] for k in ("title", "source", "build")}
            | {"file": file.name, "sample": sample, "generator": Path(__file__).name},
            "latitude": float(data["in_LAT"].values[0]),
            "mean_temperature": float(data.attrs.get("meantemp", temperature)),
            "mean_precipitation": float(data.attrs.get("meanprec", data[there["PREC"]].mean())),
            "parameters": data["parameters"].values[sample].tolist(),
            "forcing": {n: data[v].values[:steps].astype(float).tolist() for n, v in there.items()},
            "pools": dict(zip(data.attrs["pool_names"].split(), data["pools"].values[sample, steps].tolist(), strict=True)),
            "flux_sums": dict(zip(data.attrs["flux_names"].split(), np.sum(fluxes, axis=0).tolist(), strict=True)),
        }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(os.environ["LSM_BAYES_DATA"]).resolve().parent / "reference"
    made = {name: frozen(folder / name, *chosen) for name, chosen in CHOSEN.items()}
    Path(__file__).with_name("dalec_water.json").write_text(json.dumps(made, indent=1) + "\n")
