"""Emulation: perturbed-parameter ensembles, emulators with their variance, history matching."""

from .calibrate import ExtrapolationWarning, calibrate_emulate_sample
from .designs import informed_design, prior_design
from .emulated import emulated_model
from .emulator import Emulator, fit_emulator
from .ensemble import Ensemble, join, run_ensemble
from .history import HistoryMatch, OverconfidentWarning, history_match
from .misfit import MisfitEmulator, fit_misfit, misfit_model
from .targets import Targets, block_targets
from .validation import EmulatorRefusedError, Validation
from .wave_plots import plot_waves

__all__ = [
    "Emulator",
    "EmulatorRefusedError",
    "Ensemble",
    "ExtrapolationWarning",
    "HistoryMatch",
    "MisfitEmulator",
    "OverconfidentWarning",
    "Targets",
    "Validation",
    "block_targets",
    "calibrate_emulate_sample",
    "emulated_model",
    "fit_emulator",
    "fit_misfit",
    "history_match",
    "informed_design",
    "join",
    "misfit_model",
    "plot_waves",
    "prior_design",
    "run_ensemble",
]
