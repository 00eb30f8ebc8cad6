"""Keep the text of a compiled log-density: a model with the same graph and data as before is not rewritten and written again.

Numba's own cache knows a function by its text; making the text of a calibration takes seconds.
"""

import os
import zipfile

import numpy as np

from lsm_bayes.signature import folder, keep

from .loops import Written

KEPT = 64  # texts; the oldest go


def load(key: str) -> Written | None:
    """Read what was kept.

    Parameters
    ----------
    key : str
        From `signature`.

    Returns
    -------
    Written or None
        Without the functions that it calls, which Numba's cache holds; None when nothing readable is there.
    """
    path = folder() / f"{key}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            written = Written(str(found["text"]), {"np": np}, (found["numbers"], found["places"]), str(found["key"]))
        os.utime(path)
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
    return written


def save(key: str, written: Written) -> None:
    """Keep a text; a folder that cannot be written to keeps nothing.

    Parameters
    ----------
    key : str
        From `signature`.
    written : Written
        With a key of its own.
    """
    if written.key is None:
        return
    numbers, places = written.tables
    text, name = np.array(written.text), np.array(written.key)
    keep(folder() / f"{key}.npz", lambda file: np.savez(file, text=text, key=name, numbers=numbers, places=places), KEPT)
