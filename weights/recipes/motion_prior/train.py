"""Trains the motion prior on recorded and made-up motion. See README.md.

    python train.py --motion MOTION_FOLDER --minutes 20 --output run
"""

import argparse
import copy
import json
import math
import pathlib
import sys
import time

import torch

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "lite"))

from hand import FREE, OpenHand, axis_rotation, rotation_from_quaternion  # noqa: E402
from optimiser import Muon  # noqa: E402
from poses import PoseSource  # noqa: E402
from recordings import leap_clips, recorded_poses  # noqa: E402

from prior import MotionPrior, conjugate, kriging, logarithm, product  # noqa: E402
from windows import gaps, motions, played  # noqa: E402

SEED = 31
# Motions drawn at once, gaps of a batch, frames of a gap that the loss looks at; every motion serves several gaps.
POOL, BATCH, FRAMES, GAPS_PER_MOTION = 3000, 300, 3, 4
LR_MUON, LR_ADAM, WEIGHT_DECAY = 0.02, 2e-3, 0.02
WARM_UP, LAST_LR, AVERAGE_KEEP = 100, 0.02, 0.997
# A frame counts by the inverse of this plus how unsure the kriging is of it: short gaps have small errors.
LEAST_UNSURE = 0.1
# Weight of the likelihood, whose unit is not a millimetre.
LIKELIHOOD = 0.3
LOG_EVERY = 200


def finger_rotations(hand, angles):
    """As `hand.rotations`, and gradients pass: [N,15,3,3] for free angles [N,21]."""
    columns = [torch.zeros(len(angles))] * 45
    for k, (joint, axis) in enumerate(FREE):
        columns[3 * (joint - 1) + axis] = angles[:, k]
    full = torch.stack(columns, -1).view(-1, 15, 3)
    turns = axis_rotation(hand.axes[1:].expand(len(angles), -1, -1, -1), full).unflatten(1, (5, 3))
    base = turns[:, :, 0, 0] @ turns[:, :, 0, 1] @ turns[:, :, 0, 2]
    return torch.stack([base, turns[:, :, 1, 0], turns[:, :, 2, 0]], 2).flatten(1, 2)


def loss_terms(network, hand, batch):
    """Weighted mean distance of the joints, fingers alone and with the wrist's turn (mm), and the likelihood's loss."""
    angles, root, sigma = (
        x.flatten(0, 1)
        for x in network.says(batch.angles, batch.root, batch.known, batch.length, batch.step)
    )
    truth, true_root = batch.true_angles.flatten(0, 1), batch.true_root.flatten(0, 1)
    still, average = torch.eye(3).expand(len(angles), 1, 3, 3), torch.zeros(len(angles), 10)

    def joints(angles, root):
        """Of still hands and of turned ones."""
        bent = hand.joints(torch.cat([still, finger_rotations(hand, angles)], 1), average)
        return bent, bent @ rotation_from_quaternion(root).transpose(1, 2)

    said, true = joints(angles, root), joints(truth, true_root)
    unsure = kriging(batch.known, batch.length, batch.step)[1].sqrt().flatten()
    counts = 1 / (LEAST_UNSURE + unsure)
    counts = counts / counts.sum()
    apart = ((a - b).square().sum(-1).add(1e-8).sqrt()[:, 1:].mean(1) for a, b in zip(said, true))
    fingers, whole = ((distance * counts).sum() * 1e3 for distance in apart)
    away = torch.cat([truth - angles, logarithm(product(conjugate(root), true_root))], -1).detach() / sigma
    return fingers, whole, (0.5 * away.square() + sigma.log()).mean()


def optimisers(network):
    """Muon for the matrices between, AdamW for the rest."""
    inner = [p for name, p in network.named_parameters() if name.startswith(("wide", "back")) and p.ndim == 2]
    outer = [p for p in network.parameters() if not any(p is q for q in inner)]
    return [
        Muon(inner, LR_MUON, WEIGHT_DECAY),
        torch.optim.AdamW(outer, LR_ADAM, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98)),
    ]


def rows_of(batch, rows):
    return type(batch)(*(value[rows] for value in vars(batch).values()))


@torch.no_grad()
def validation(network, hand, batch):
    """Fingers and whole (mm) of the kriging alone and with the network."""
    zero = copy.deepcopy(network)
    torch.nn.init.zeros_(zero.head.weight)
    torch.nn.init.zeros_(zero.head.bias)
    return [round(float(x), 4) for net in (zero, network) for x in loss_terms(net, hand, batch)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--motion", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--validate", nargs="*", default=[], help="training recordings to leave out and validate on")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    hand = OpenHand()
    every = leap_clips(options.motion, held_out=False)
    left_out = [clip for clip in every if clip.name.startswith(tuple(options.validate))] if options.validate else []
    clips = [clip for clip in every if clip not in left_out]
    usual = recorded_poses(options.motion, clips)
    poses = PoseSource(hand, usual)
    network = MotionPrior()
    network.mean.copy_(usual.mean(0))
    network.spread.copy_(usual.std(0).clamp(min=0.1))
    average = copy.deepcopy(network)
    optimiser = optimisers(network)
    if left_out:
        unseen = gaps(played(3000, left_out, generator), FRAMES, generator)
    options.output.mkdir(parents=True, exist_ok=True)
    start, step, entries, sums, batches = time.monotonic(), 0, [], torch.zeros(3), []
    while (share := (time.monotonic() - start) / (60 * options.minutes)) < 1:
        if not batches:
            motion = motions(POOL, clips, poses, generator)
            pools = [gaps(motion, FRAMES, generator) for _ in range(GAPS_PER_MOTION)]
            batches = [
                rows_of(pool, rows)
                for pool in pools
                for rows in torch.randperm(POOL, generator=generator).split(BATCH)
            ]
        rate = min(1, (step + 1) / WARM_UP) * (LAST_LR + (1 - LAST_LR) * 0.5 * (1 + math.cos(math.pi * share)))
        for part, peak in zip(optimiser, (LR_MUON, LR_ADAM)):
            part.param_groups[0]["lr"] = peak * rate
            part.zero_grad()
        fingers, whole, likelihood = loss_terms(network, hand, batches.pop())
        (0.7 * fingers + 0.3 * whole + LIKELIHOOD * likelihood).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 50.0)
        for part in optimiser:
            part.step()
        with torch.no_grad():
            keep = min(AVERAGE_KEEP, (step + 1) / (step + 10))
            for mean, value in zip(average.parameters(), network.parameters()):
                mean.lerp_(value, 1 - keep)
        sums += torch.stack([fingers, whole, likelihood]).detach()
        step += 1
        if step % LOG_EVERY == 0:
            entry = dict(zip(("fingers", "whole", "likelihood"), (round(float(x), 4) for x in sums / LOG_EVERY)))
            if left_out:
                entry["validation"] = validation(average, hand, unseen)
            entries.append(dict(step=step, seconds=round(time.monotonic() - start)) | entry)
            print(entries[-1], flush=True)
            sums.zero_()
            torch.save(average.state_dict(), options.output / "prior.pt")
            (options.output / "log.json").write_text(json.dumps(entries, indent=0))
    torch.save(average.state_dict(), options.output / "prior.pt")


if __name__ == "__main__":
    main()
