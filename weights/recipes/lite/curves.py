"""Draws the training curves of one or more runs that follow each other.

    python curves.py run/log.json --output ../../lite_haptic_curves.png
"""

import argparse
import json
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PANELS = (
    ("loss", "weighted sum of losses"),
    ("joint_error_mm", "joints against the wrist, mm"),
    ("log_depth", "log of weak2full depth"),
    ("depth_change", "depth change in the window (weighted)"),
)
COLOURS = {"video": "tab:blue", "image": "tab:orange"}


def main():
    """Draws every panel over the steps of all runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=pathlib.Path, nargs="+")
    parser.add_argument("--until", type=int, nargs="*", default=[], help="last step used of each run but the last")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    options = parser.parse_args()
    entries, starts = [], []
    for number, path in enumerate(options.logs):
        last = options.until[number] if number < len(options.until) else None
        begin = entries[-1]["step"] if entries else 0
        starts.append(begin)
        run = [entry for entry in json.loads(path.read_text()) if last is None or entry["step"] <= last]
        entries += [entry | dict(step=entry["step"] + begin) for entry in run]
    figure, axes = plt.subplots(1, len(PANELS), figsize=(14, 3.2), dpi=80, constrained_layout=True)
    for axis, (name, title) in zip(axes, PANELS):
        for kind, colour in COLOURS.items():
            points = [(entry["step"], entry[f"{kind}.{name}"]) for entry in entries if f"{kind}.{name}" in entry]
            if points:
                axis.plot(*zip(*points), color=colour, linewidth=0.9, label=kind)
        for start in starts[1:]:
            axis.axvline(start, color="grey", linewidth=0.8, linestyle=":")
        axis.set_yscale("log")
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("step", fontsize=8)
        axis.tick_params(labelsize=7, which="both")
        axis.grid(True, which="both", linewidth=0.3)
    axes[0].legend(fontsize=8)
    figure.savefig(options.output)


if __name__ == "__main__":
    main()
