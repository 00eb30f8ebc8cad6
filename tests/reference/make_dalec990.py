"""Write dalec990.json: a few dozen numbers of a complete run of DifferLand's DALEC 990 (JAX).

Usage: python make_dalec990.py [folder with dalec990_daily_FI-Hyy.nc]

Without an argument the folder is ``reference`` beside the one that LSM_BAYES_DATA names.
"""

import json
import os
import sys
from pathlib import Path

import xarray as xr

FILE = "dalec990_daily_FI-Hyy.nc"
FORCING = ("time", "tmin", "tmax", "rad", "co2", "doy", "vpd", "precip", "lat", "tmean_train", "meanprecip_train")
SAMPLE, FIRST, STEPS = 7, 114, 12  # spring; plant-available water reaches its lower limit on the sixth day


def frozen(file: Path) -> dict[str, object]:
    """Take some steps of one sample."""
    with xr.open_dataset(file) as data:
        columns, met = json.loads(data.attrs["output_columns"]), json.loads(data.attrs["met_columns"])
        rows = slice(FIRST, FIRST + STEPS)
        output = data["output"].values[SAMPLE]
        pools = [n for n in columns if n.startswith("next_")]
        return {
            "provenance": {k: data.attrs[k] for k in ("title", "source", "configuration")}
            | {"file": file.name, "sample": SAMPLE, "first": FIRST, "generator": Path(__file__).name},
            "parameters": dict(zip(json.loads(data.attrs["param_order"]), data["param_physical"].values[SAMPLE].tolist(), strict=True)),
            "initial": {n: float(output[FIRST - 1, columns[n]]) for n in pools},
            "forcing": {n: data["met"].values[rows, met.index(n)].tolist() for n in FORCING},
            "pools": {n: float(output[rows][-1, columns[n]]) for n in pools},
            "flux_sums": {n: float(output[rows, i].sum()) for n, i in columns.items() if n not in pools},
        }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(os.environ["LSM_BAYES_DATA"]).resolve().parent / "reference"
    Path(__file__).with_name("dalec990.json").write_text(json.dumps(frozen(folder / FILE), indent=1) + "\n")
