"""Whether the learned prior fills gaps better than what needs no training. See README.md.

    python study.py --motion MOTION_FOLDER --weights ../../motion_prior.safetensors --json ../../../bench/results/motion_prior.json
"""

import argparse
import copy
import json
import pathlib
import time

import numpy as np
import torch
from scipy.spatial.transform import Rotation

import fillings
from export import load_weights
from occlusions import LENGTHS, STRIDE, WINDOW, Ruler, held_out, stretches
from prior import ANGLES, CONTEXT, conjugate, logarithm, product
from rotations import from_quaternion

MEASURES = ("fingers_mm", "joints_mm", "rotation_deg")


def around(stretch):
    """The frames around a gap as the prior reads them; frames beyond the recording's ends are unknown and still."""
    first, after = stretch.gap.start - 1, stretch.gap.stop
    index = np.concatenate([np.arange(first - CONTEXT + 1, first + 1), np.arange(after, after + CONTEXT)])
    last = len(stretch.angles) - 1
    known = torch.from_numpy((index >= 0) & (index <= last))[None]
    index = index.clip(0, last)
    root = np.roll(Rotation.from_matrix(stretch.seen_root[index]).as_quat(), 1, -1)
    return (
        torch.from_numpy(stretch.seen_angles[index]).float()[None],
        torch.from_numpy(root).float()[None],
        known,
        torch.tensor([after - first]),
        torch.arange(1, after - first)[None],
    )


class Learned:
    """The prior as a filling; with its network or without (`kriging`)."""

    def __init__(self, prior, with_network=True):
        self.prior, self.misses = copy.deepcopy(prior), []
        if not with_network:
            torch.nn.init.zeros_(self.prior.head.weight)
            torch.nn.init.zeros_(self.prior.head.bias)

    @torch.no_grad()
    def __call__(self, stretch):
        angles, root, sigma = self.prior.says(*around(stretch))
        truth = torch.from_numpy(stretch.angles[stretch.gap]).float()
        true_root = np.roll(Rotation.from_matrix(stretch.root[stretch.gap]).as_quat(), 1, -1)
        turn = logarithm(product(conjugate(root[0]), torch.from_numpy(true_root).float()))
        self.misses.append(torch.cat([truth - angles[0], turn], -1) / sigma[0])
        return angles[0].double().numpy(), from_quaternion(root[0].double().numpy())

    def calibration(self):
        """Root mean square of error over standard deviation: 1 where the prior knows how sure it is."""
        misses = torch.cat(self.misses)
        parts = dict(angles=misses[:, :ANGLES], rotation=misses[:, ANGLES:])
        return {name: round(float(part.square().mean().sqrt()), 2) for name, part in parts.items()}


def measured(fillings_by_name, clips, ruler):
    """Rows of the table: for each length of gap, with and without errors of seeing, every filling."""
    rows = []
    for noisy in (False, True):
        for length in LENGTHS:
            gaps = stretches(clips, length, noisy)
            row = dict(gap_frames=length, seen_with_errors=noisy, gaps=len(gaps))
            for name, filling in fillings_by_name(noisy).items():
                distances = [np.array(ruler.distances(gap, *filling(gap))).mean(1) for gap in gaps]
                row[name] = {k: round(float(v), 2) for k, v in zip(MEASURES, np.mean(distances, 0))}
                by_name = {}
                for gap, distance in zip(gaps, distances):
                    by_name.setdefault(gap.name, []).append(distance[0])
                row[name]["fingers_mm_by_recording"] = {k: round(float(np.mean(v)), 2) for k, v in by_name.items()}
                if isinstance(filling, Learned):
                    row[name]["error_over_sigma"] = filling.calibration()
            rows.append(row)
            print(row["gap_frames"], noisy, {k: [v[m] for m in MEASURES] for k, v in row.items() if isinstance(v, dict)})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--motion", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--json", type=pathlib.Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    prior, ruler = load_weights(options.weights), Ruler()
    linear = fillings.LinearGaussian(options.motion)

    def ways(noisy):
        return {
            "great_circles": fillings.great_circles,
            "analytic": lambda gap: fillings.analytic(gap, noisy),
            "analytic_slow": lambda gap: fillings.analytic(gap, noisy, fillings.SLOW),
            "stationary_gaussian": lambda gap: linear(gap, noisy),
            "kriging": Learned(prior, with_network=False),
            "learned": Learned(prior),
        }

    clips = held_out(options.motion)
    result = dict(
        command="python weights/recipes/motion_prior/study.py --motion MOTION --weights weights/motion_prior.safetensors "
        "--json bench/results/motion_prior.json",
        what="error inside gaps of held-out recordings, mean over joints, frames and gaps; fingers: hands laid on each "
        "other at wrist and palm's rotation; joints: relative to the wrist, with its rotation; open hand, mean shape",
        recordings=[clip.name for clip in clips],
        window_frames=WINDOW,
        stride=STRIDE,
        seconds=0,
        rows=measured(ways, clips, ruler),
    )
    result["seconds"] = round(time.monotonic() - started)
    options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
