"""Programs that tests write and run: VSEM in C (or plain Python where there is no compiler), and one that misbehaves as asked."""

import shutil
import subprocess
from pathlib import Path

from lsm_bayes.declare import Parameter, Prior
from lsm_bayes.external import ExternalModel, Output

VSEM_C = r"""
#include <math.h>
#include <stdio.h>
#include <string.h>
/* Reads vsem.nml (lines "name = value") and light.txt, writes out.csv: nee and the mean of vegetation over each day. */
int main(void) {
    char key[64], line[256]; double v, k = 0, e = 0, tau = 0, soil = 0;
    double lar = 1.5, f_auto = 0.4, tau_soil = 27370.0, tau_below = 1440.0, f_above = 0.5, above = 3000.0, below = 3000.0;
    FILE *in = fopen("vsem.nml", "r"), *light = fopen("light.txt", "r"), *out = fopen("out.csv", "w");
    if (!in || !light || !out) { fprintf(stderr, "cannot open a file\n"); return 3; }
    while (fgets(line, sizeof line, in)) {
        if (sscanf(line, " %63[^= ] = %lf", key, &v) != 2) continue;
        if (!strcmp(key, "extinction")) k = v;
        else if (!strcmp(key, "efficiency")) e = v;
        else if (!strcmp(key, "residence")) tau = v;
        else if (!strcmp(key, "soil")) soil = v;
    }
    fprintf(out, "day,nee,vegetation\n");
    for (int day = 1; fscanf(light, "%lf", &v) == 1; day++) {
        double before = above, gpp = v * e * (1.0 - exp(-k * lar * above / 1000.0)), npp = (1.0 - f_auto) * gpp;
        above += f_above * npp - above / tau;
        below += (1.0 - f_above) * npp - below / tau_below;
        soil += above / tau + below / tau_below - soil / tau_soil;
        fprintf(out, "%d,%.17g,%.17g\n", day, f_auto * gpp + soil / tau_soil - gpp, 0.5 * (before + above));
    }
    return fclose(out);
}
"""

VSEM_PYTHON = r"""
import math
p = dict(line.replace(" ", "").split("=") for line in open("vsem.nml").read().splitlines() if "=" in line)
k, e, tau, soil = (float(p[n]) for n in ("extinction", "efficiency", "residence", "soil"))
lar, f_auto, tau_soil, tau_below, f_above, above, below = 1.5, 0.4, 27370.0, 1440.0, 0.5, 3000.0, 3000.0
with open("out.csv", "w") as out:
    out.write("day,nee,vegetation\n")
    for day, line in enumerate(open("light.txt"), 1):
        before, gpp = above, float(line) * e * (1.0 - math.exp(-k * lar * above / 1000.0))
        npp = (1.0 - f_auto) * gpp
        above += f_above * npp - above / tau
        below += (1.0 - f_above) * npp - below / tau_below
        soil += above / tau + below / tau_below - soil / tau_soil
        out.write(f"{day},{f_auto * gpp + soil / tau_soil - gpp!r},{0.5 * (before + above)!r}\n")
"""

# Adds a line to log.txt beside itself when it begins and when it is over, waits as long as asked, and gives y = level + t.
SLOW = r"""
import os, sys, time, pathlib
here, level, wait, crash = pathlib.Path(__file__).parent, float(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
def log(word):
    with open(here / "log.txt", "a") as f:
        f.write(f"{word} {level!r}\n")
log("begin")
time.sleep(wait)
if crash == "status":
    print("soil moisture below zero in layer 2", file=sys.stderr)
    sys.exit(7)
if crash == "signal":
    os.abort()
if crash == "once" and not (here / "tried.txt").exists():
    (here / "tried.txt").touch()
    sys.exit(1)
with open("y.txt", "w") as f:
    for t in range(2 if crash == "short" else 3):
        f.write("nan\n" if crash == "nan" and t == 1 else "***\n" if crash == "garbage" else f"{level + t!r}\n")
if crash == "silent":
    os.remove("y.txt")
log("end")
"""

NAMELIST = "&vsem\nextinction = 0.5\nefficiency = {light_use_efficiency:.15e}\nresidence = {residence}\nsoil = {soil_carbon}\n/\n"


def vsem(folder: Path, compiled: bool = True) -> list[str]:
    """Write, and where it can be, compile VSEM; return the command."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiled and compiler:
        (folder / "vsem.c").write_text(VSEM_C)
        # Without fused multiply-add, results are the same to the last digits everywhere.
        subprocess.run([compiler, "-O1", "-ffp-contract=off", "-o", str(folder / "vsem"), str(folder / "vsem.c"), "-lm"], check=True)
        return ["{base}/vsem"]
    (folder / "vsem.py").write_text(VSEM_PYTHON)
    return ["{python}", "-S", "{base}/vsem.py"]


LEVEL = (Parameter("1", (0.0, 100.0), "level of the series", Prior("uniform")), 50.0)


def slow(folder: Path, wait: str = "0", crash: str = "", **changes) -> ExternalModel:
    """Write the program that waits and crashes as asked, and declare it."""
    (folder / "slow.py").write_text(SLOW)
    settings = {
        "name": "slow",
        "parameters": {"level": LEVEL},
        "outputs": {"y": Output("1", 3, file="y.txt")},
        "command": ["{python}", "-S", "{base}/slow.py", "{level}", wait, crash],
        "base": folder,
    }
    return ExternalModel(**settings | changes)
