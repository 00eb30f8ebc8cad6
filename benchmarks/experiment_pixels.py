"""A hundred pixels, serially and with Dask and a worker killed on purpose: the same bits. Writes pixels.md and pixels.png.

A made-up grid around FI-Hyy: its radiation, made stronger or weaker from pixel to pixel, a lake without forcing, and synthetic NEE and
leaf area from VSEM with a light-use efficiency that falls to the north and soil carbon that turns over more slowly to the east.
Each way runs in a process of its own with an empty cache of compiled code, so that none profits from the other.
Run: python benchmarks/experiment_pixels.py. Needs LSM_BAYES_DATA.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import xarray as xr
from pixel_model import FIXED, build

from lsm_bayes import datasets
from lsm_bayes.land import get
from lsm_bayes.simulation import simulate
from lsm_bayes.tasks.grid import calibrate_grid, write_grid
from lsm_bayes.tasks.maps import draw_maps
from lsm_bayes.vocabulary import QUANTITIES

HERE, RESULTS = Path(__file__).parent, Path("results/pixels")
ROWS, COLUMNS, YEARS = 10, 11, ("2006", "2007")
LAKE = [(r, c) for r in (4, 5) for c in (3, 4, 5, 6, 7)]
SETTINGS = {"starts": 4, "draws": 400}
KILLED_AFTER = 40  # results
ABOUT = ("light_use_efficiency", "soil_residence_time", "leaf_area_ratio", "gpp", "nee")


def truth() -> xr.Dataset:
    """Parameters of each pixel."""
    y, x = np.meshgrid(np.linspace(0, 1, ROWS), np.linspace(0, 1, COLUMNS), indexing="ij")
    values = {"light_use_efficiency": 2.4 - 1.2 * y, "soil_residence_time": 8000 + 16000 * x, "leaf_area_ratio": 1.2 + 0.6 * x * y}
    return xr.Dataset({n: (("latitude", "longitude"), v) for n, v in values.items()})


def grid() -> xr.Dataset:
    """Make forcing and synthetic observations of each pixel."""
    tower = datasets.load("fluxnet-daily-water", ["FI-Hyy"]).sel(time=slice(*YEARS)).isel(site=0)
    rng = np.random.default_rng(1)
    stronger = xr.DataArray(1 + 0.1 * rng.standard_normal((ROWS, COLUMNS)), dims=("latitude", "longitude"))
    par = (0.45 * tower["shortwave_down"].reset_coords(drop=True) * stronger).transpose("time", "latitude", "longitude")
    data = xr.Dataset(
        {"par_down": par.assign_attrs(QUANTITIES["par_down"].attrs())},
        coords={"latitude": 61.85 + 0.5 * np.arange(ROWS), "longitude": 24.3 + 0.5 * np.arange(COLUMNS)},
        attrs={"title": "made-up grid around FI-Hyy", "references": str(tower.attrs["citation"])},
    )
    forcing = data.stack(site=("latitude", "longitude"), create_index=False).drop_vars(["latitude", "longitude"])
    forcing = forcing.assign_coords(site=[str(k) for k in range(ROWS * COLUMNS)])
    parameters = truth().stack(site=("latitude", "longitude"), create_index=False).assign_coords(site=forcing["site"])
    run = simulate(get("vsem"), forcing.transpose("site", "time"), {**FIXED, **parameters.data_vars}, outputs=["nee", "lai"])
    for name, sd, days in (("nee", 0.5, 1), ("lai", 0.2, 10)):
        values = run[name].transpose("time", "site").values
        values = (values + sd * rng.standard_normal(values.shape)).reshape(-1, ROWS, COLUMNS)
        values[np.arange(len(values)) % days != 0] = np.nan
        for row, column in LAKE:
            values[:, row, column] = np.nan
        data[name] = (("time", "latitude", "longitude"), values, QUANTITIES[name].attrs())
        data[f"{name}_uncertainty"] = xr.full_like(data[name], sd).where(np.isfinite(values))
    for row, column in LAKE:
        data["par_down"][:, row, column] = np.nan
    return data


def calibrate(way: str) -> None:
    """Run one way and write the grid and what it took."""
    folder, data = RESULTS / way, grid()
    arguments = {"method": "laplace", "settings": SETTINGS, "progress": False}
    killed: list[int] = []
    if way == "serial":
        found = calibrate_grid(build, data, folder, **arguments)
    else:
        from distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:

            def kill() -> None:
                while len(list(folder.glob("*.zarr.zip"))) < KILLED_AFTER:
                    time.sleep(0.1)
                killed.append(cluster.workers[0].pid)
                os.kill(cluster.workers[0].pid, signal.SIGKILL)

            threading.Thread(target=kill, daemon=True).start()
            found = calibrate_grid(build, data, folder, executor="dask", scheduler=cluster.scheduler_address, **arguments)
    write_grid(found, RESULTS / f"{way}.nc")
    (RESULTS / f"{way}.json").write_text(json.dumps({"workers killed": len(killed)}))


def main() -> None:
    """Run what is missing, compare, draw and write the table."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    for way in ("serial", "dask"):
        if not (RESULTS / f"{way}.json").exists():
            compiled = f"base_compiledir={(RESULTS / f'compiled-{way}').resolve()}"
            subprocess.run([sys.executable, __file__, way], check=True, env=os.environ | {"PYTENSOR_FLAGS": compiled})
    serial, dask = (xr.load_dataset(RESULTS / f"{way}.nc") for way in ("serial", "dask"))
    took = {way: json.loads((RESULTS / f"{way}.json").read_text()) for way in ("serial", "dask")}
    same = [n for n in serial.variables if serial[n].values.tobytes() == dask[n].values.tobytes()]
    draw_maps(dask, ["gpp", "nee", "light_use_efficiency", "soil_residence_time"], HERE / "pixels.png")
    done = dask["status"].values == 1
    lines = [
        "# A hundred pixels with Dask",
        "",
        "Made by `python benchmarks/experiment_pixels.py`: VSEM in each pixel of a made-up grid around FI-Hyy (two years of its",
        "radiation, made stronger or weaker by 10 % from pixel to pixel, synthetic daily NEE and ten-daily leaf area, a lake of",
        f"{len(LAKE)} pixels without forcing); {SETTINGS['starts']} starts, {SETTINGS['draws']} draws of the Laplace approximation.",
        "Once serially, once with Dask and two worker processes, of which one was killed (SIGKILL) after",
        f"{KILLED_AFTER} results. Both began without compiled code.",
        "",
        "| | |",
        "|---|---|",
        f"| pixels done, serially / with Dask | {int((serial['status'] == 1).sum())} / {int(done.sum())} |",
        f"| pixels failed, serially / with Dask | {int((serial['status'] == 2).sum())} / {int((dask['status'] == 2).sum())} |",
        f"| workers killed | {took['dask']['workers killed']} |",
        f"| variables of the grid equal in every bit | {len(same)} of {len(serial.variables)} |",
        f"| median importance efficiency of the draws | {float(np.nanmedian(dask['importance_efficiency'])):.2f} |",
        "",
        "Truth of each pixel against its posterior:",
        "",
        "| parameter | correlation of mean and truth over pixels | truth inside the 90 % interval |",
        "|---|---|---|",
    ]
    for name, values in truth().items():
        low, high = (dask[f"{name}_quantile"].sel(quantile=q).values[done] for q in (0.05, 0.95))
        true = values.values[done]
        correlation = np.corrcoef(true, dask[name].values[done])[0, 1]
        lines.append(f"| {name} | {correlation:.3f} | {np.mean((low <= true) & (true <= high)):.2f} |")
    lines += ["", "![Maps of posterior mean and spread](pixels.png)"]
    (HERE / "pixels.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        calibrate(sys.argv[1])
    else:
        main()
