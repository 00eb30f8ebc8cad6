"""Write sipnet.json: a few dozen numbers of complete runs of SIPNET (C).

Usage: python make_sipnet.py [folder with sipnet_niwot.nc and sipnet_russell_1.nc]

Without an argument the folder is ``reference`` beside the one that LSM_BAYES_DATA names.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import xarray as xr

CLIMATE = ("year", "day", "time", "length", "tair", "tsoil", "par", "precip", "vpd", "vpdSoil", "vPress", "wspd")
CHOSEN = ("sipnet_niwot.nc", "sipnet_russell_1.nc")  # the second starts with snow and without leaves
RUN, STEPS = 1, 10
NOT_USED = ("N", "Meth", "anaerobic", "Anoxia", "Satur")  # options that are off


def frozen(file: Path) -> dict[str, object]:
    """Take the first steps of one run."""
    with xr.open_dataset(file) as data:
        names = data.attrs["param_names"].split()
        values = dict(zip(names, data["parameters"].values[RUN].tolist(), strict=True))
        full = data.isel(run_full=RUN)
        return {
            "provenance": {k: data.attrs[k] for k in ("title", "source_commit", "build")}
            | {"file": file.name, "run": RUN, "generator": Path(__file__).name},
            "parameters": {n: v for n, v in values.items() if v and not any(part in n for part in NOT_USED)},
            "forcing": {n: np.round(data[f"clim_{n}"].values[:STEPS].astype(float), 12).tolist() for n in CLIMATE},
            "states": {str(n).removeprefix("full_state_"): float(v[STEPS]) for n, v in full.items() if str(n).startswith("full_state_")},
            "flux_sums": {
                str(n).removeprefix("full_flux_"): float(v[:STEPS].sum()) for n, v in full.items() if str(n).startswith("full_flux_")
            },
        }


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(os.environ["LSM_BAYES_DATA"]).resolve().parent / "reference"
    made = {name: frozen(folder / name) for name in CHOSEN}
    Path(__file__).with_name("sipnet.json").write_text(json.dumps(made, indent=1) + "\n")
