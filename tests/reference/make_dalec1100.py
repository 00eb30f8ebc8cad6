"""Write dalec1100.json: a few dozen numbers of one complete run of CARDAMOM's DALEC 1100 (C).

Usage: python make_dalec1100.py [folder with dalec1100_US-NR1.nc]

Without an argument the folder is ``reference`` beside the one that LSM_BAYES_DATA names.
"""

import json
import os
import sys
from pathlib import Path

import xarray as xr

FORCING = ("T2M_MIN", "T2M_MAX", "SSRD", "STRD", "VPD", "TOTAL_PREC", "CO2", "BURNED_AREA", "DOY", "SKT", "SNOWFALL")
FLUXES = ("gpp", "resp_auto", "rh_co2", "rh_ch4", "ets", "melt", "q_surf", "net_radiation", "ground_heat")
SAMPLE, STEPS = 15, 9


def frozen(file: Path) -> dict[str, object]:
    """Take the first steps of one sample."""
    with xr.open_dataset(file) as data:
        fluxes = dict(zip(data.attrs["flux_names"].split(), data["fluxes"].values[SAMPLE, :STEPS].sum(axis=0).tolist(), strict=True))
        return {
            "provenance": {k: data.attrs[k] for k in ("title", "source", "build")}
            | {"file": file.name, "sample": SAMPLE, "generator": Path(__file__).name},
            "latitude": float(data["in_LAT"].values[0]),
            "parameters": dict(zip(data.attrs["param_names"].split(), data["parameters"].values[SAMPLE].tolist(), strict=True)),
            "forcing": {n: data[f"in_{n}"].values[:STEPS].astype(float).tolist() for n in FORCING},
            "pools": dict(zip(data.attrs["pool_names"].split(), data["pools"].values[SAMPLE, STEPS].tolist(), strict=True)),
            "flux_sums": {n: fluxes[n] for n in FLUXES},
        }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(os.environ["LSM_BAYES_DATA"]).resolve().parent / "reference"
    made = frozen(folder / "dalec1100_US-NR1.nc")
    Path(__file__).with_name("dalec1100.json").write_text(json.dumps(made, indent=1) + "\n")
