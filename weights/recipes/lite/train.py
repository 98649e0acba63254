"""Trains the lite window transformer on made-up and recorded motion. See README.md.

    python train.py --motion MOTION_FOLDER --minutes 40 --output run
"""

import argparse
import copy
import json
import math
import pathlib
import time

import torch

from hand import OpenHand
from losses import losses
from motion import pool
from network import WINDOW, Lite, decode
from optimiser import optimisers
from poses import PoseSource
from recordings import leap_clips, recorded_poses
from scenes import random_windows
from tokens import tokens_of

SEED = 20
BATCH = 256
POOL, POOL_LENGTH, STEPS_PER_POOL = 3000, 64, 400
LR_MUON, LR_ADAM, WEIGHT_DECAY = 0.02, 2e-3, 0.02
WARM_UP, LAST_LR = 100, 0.02
AVERAGE_KEEP = 0.998
LOG_EVERY, SAVE_SECONDS = 25, 120


def rate(step, share):
    """Learning rate relative to its peak: linear start, cosine over the time that is given."""
    return min(1, (step + 1) / WARM_UP) * (LAST_LR + (1 - LAST_LR) * 0.5 * (1 + math.cos(math.pi * min(1, share))))


def framed(step, seen, truth, generator):
    """The windows cut to this step's length: in turn single frames, all frames, mostly all frames."""
    if step % 3 == 0:
        truth = type(truth)(
            truth.rotations.flatten(0, 1)[:, None],
            truth.betas.repeat_interleave(WINDOW, 0),
            truth.joints.flatten(0, 1)[:, None],
            truth.wrist.flatten(0, 1)[:, None],
            truth.usable.repeat_interleave(WINDOW),
        )
        return seen.single(), truth
    length = WINDOW if step % 6 != 5 else int(torch.randint(2, WINDOW, (1,), generator=generator))
    cut = {name: getattr(truth, name)[:, -length:] for name in ("rotations", "joints", "wrist")}
    return seen.newest(length), type(truth)(betas=truth.betas, usable=truth.usable, **cut)


def loss_terms(network, hand, seen, truth):
    """The weighted loss terms of one batch, and the mean joint error in millimetres."""
    tokens, context, centre, side = tokens_of(seen)
    says = decode(network(tokens, context), centre, side)
    windows, length = side.shape
    betas = says.betas.repeat_interleave(length, 0)
    joints = hand.joints(says.rotations.flatten(0, 1), betas).unflatten(0, (windows, length))
    error = (joints - truth.joints).detach().norm(dim=-1).mean() * 1e3
    return losses(says, joints, truth, side), error


def prepared(network):
    """The network with outputs that start at the rest pose."""
    last = network.head[2]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    with torch.no_grad():
        last.bias[:96] = torch.tensor([1.0, 0, 0, 0, 1, 0]).repeat(16)
    return network


class Log:
    """Means of the loss terms since the last entry, as a JSON list."""

    def __init__(self, path):
        self.path, self.entries, self.sums = path, [], {}

    def add(self, kind, terms, error):
        """Takes in one step's terms; `kind` is image or video."""
        numbers = {name: float(value.detach()) for name, value in terms.items()} | dict(joint_error_mm=float(error))
        numbers["loss"] = sum(float(value.detach()) for value in terms.values())
        for name, value in numbers.items():
            self.sums.setdefault(f"{kind}.{name}", []).append(value)

    def write(self, step, minutes):
        """Ends an entry."""
        means = {name: round(sum(values) / len(values), 5) for name, values in self.sums.items()}
        self.entries.append(dict(step=step, minutes=round(minutes, 2)) | means)
        self.sums = {}
        self.path.write_text(json.dumps(self.entries))
        return self.entries[-1]


def main():
    """Trains for the time that is given and keeps the running average of the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--motion", type=pathlib.Path, help="folder of recordings; none: made-up motion alone")
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--start", type=pathlib.Path, help="checkpoint to go on from")
    parser.add_argument("--peak", type=float, default=1.0, help="learning rate relative to the usual")
    parser.add_argument("--compile", action="store_true", help="faster steps after some minutes of compiling")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("run"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    options.output.mkdir(parents=True, exist_ok=True)
    hand = OpenHand()
    clips = leap_clips(options.motion, held_out=False) if options.motion else []
    poses = PoseSource(hand, recorded_poses(options.motion, clips) if options.motion else None)
    network = prepared(Lite())
    if options.start:
        network.load_state_dict(torch.load(options.start, weights_only=True)["average"])
    average = copy.deepcopy(network)
    both = optimisers(network, LR_MUON, LR_ADAM, WEIGHT_DECAY)
    peaks = [options.peak * group["lr"] for optimiser in both for group in optimiser.param_groups]
    # Windows of other lengths are too rare to compile for.
    compiled = torch.compile(loss_terms, dynamic=False) if options.compile else loss_terms
    log, step, begin, saved = Log(options.output / "log.json"), 0, time.monotonic(), time.monotonic()

    def save():
        torch.save(dict(average=average.state_dict(), step=step), options.output / "lite.pt")

    while (minutes := (time.monotonic() - begin) / 60) < options.minutes:
        if step % STEPS_PER_POOL == 0:
            motions = pool(POOL, POOL_LENGTH, poses, clips, generator)
        for group, peak in zip((g for optimiser in both for g in optimiser.param_groups), peaks):
            group["lr"] = peak * rate(step, minutes / options.minutes)
        seen, truth = framed(step, *random_windows(motions, hand, BATCH, generator), generator)
        compute = compiled if seen.age.shape[1] in (1, WINDOW) else loss_terms
        terms, error = compute(network, hand, seen, truth)
        network.zero_grad()
        sum(terms.values()).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optimiser in both:
            optimiser.step()
        keep = min(AVERAGE_KEEP, (step + 1) / (step + 20))
        with torch.no_grad():
            for mean, parameter in zip(average.parameters(), network.parameters()):
                mean.lerp_(parameter, 1 - keep)
        log.add("image" if step % 3 == 0 else "video", terms, error)
        step += 1
        if step % LOG_EVERY == 0:
            print(json.dumps(log.write(step, minutes)), flush=True)
        if time.monotonic() - saved > SAVE_SECONDS:
            save()
            saved = time.monotonic()
    save()


if __name__ == "__main__":
    main()
