"""The network's raw errors (nothing behind it) on the evaluation sets, by way of placing the hand in depth.

    python evaluate.py --weights ../../lite_haptic.safetensors --data ../../../bench/data --json metrics.json
"""

import argparse
import json
import pathlib

import torch
from safetensors import safe_open

from export import load_weights
from hand import OpenHand
from losses import lifted
from metrics import errors
from network import WINDOW, decode
from tokens import Observation, tokens_of

SETS = ("lite_holdout", "leap_holdout")
# Share of the window's own depth in the streamed depth at each frame.
GAINS = (0.1, 0.3)
NEAREST = 0.05


def load(path):
    """A set's observations as windows of all frames, and its true joints [S,T,21,3]."""
    with safe_open(str(path), "pt") as file:
        data = {name: file.get_tensor(name).float() for name in file.keys()}
        fps = float(file.metadata()["fps"])
    sequences, frames = data["rays"].shape[:2]
    has = data["has_landmarks"][:, None].expand(-1, frames)
    age = (frames - 1 - torch.arange(frames)).float().expand(sequences, -1) / fps
    none = torch.zeros(sequences, frames, 5)
    seen = Observation(data["rays"], data["conf"], data["landmarks"], has, age, none, data["half_fov"])
    return seen, data["joints"]


def window(seen, begin, end):
    """Frames `begin` to `end`, ages counted from the last."""
    cut = {name: value if name == "half_fov" else value[:, begin:end] for name, value in vars(seen).items()}
    cut["age"] = cut["age"] - cut["age"][:, -1:]
    return Observation(**cut)


@torch.no_grad()
def estimate(network, hand, seen):
    """The network's estimate of windows and the joints [S,T,21,3] relative to the wrist."""
    tokens, context, centre, side = tokens_of(seen)
    says = decode(network(tokens, context), centre, side)
    frames = side.shape[1]
    joints = hand.joints(says.rotations.flatten(0, 1), says.betas.repeat_interleave(frames, 0))
    return says, joints.unflatten(0, side.shape)


def image_mode(network, hand, seen):
    """Every frame alone, depth by weak2full."""
    says, joints = estimate(network, hand, seen.single())
    frames = seen.age.shape
    root = lifted(says.root_ray[:, 0], says.weak_depth[:, 0]).unflatten(0, frames)
    return joints[:, 0].unflatten(0, frames) + root[:, :, None]


def streamed(network, hand, seen):
    """The newest frame of a sliding window: depth by weak2full, and by anchor and complementary filter of each gain."""
    weak, anchored, depths = [], [[] for _ in GAINS], [None] * len(GAINS)
    for newest in range(seen.age.shape[1]):
        says, joints = estimate(network, hand, window(seen, max(0, newest + 1 - WINDOW), newest + 1))
        change = says.depth_change
        anchor = (says.weak_depth - change).median(1).values + change[:, -1]
        for number, gain in enumerate(GAINS):
            depth = anchor
            if depths[number] is not None:
                depth = torch.lerp(depths[number] + change[:, -1] - change[:, -2], anchor, gain)
            depths[number] = depth
            anchored[number].append(joints[:, -1] + lifted(says.root_ray[:, -1], depth.clamp(min=NEAREST))[:, None])
        weak.append(joints[:, -1] + lifted(says.root_ray[:, -1], says.weak_depth[:, -1])[:, None])
    return torch.stack(weak, 1), [torch.stack(parts, 1) for parts in anchored]


def chunked(network, hand, seen):
    """Windows that share one frame: the paper's chaining of depth changes, and each window's own anchor."""
    chained, anchored, depth = [], [], None
    for begin in range(0, seen.age.shape[1] - 1, WINDOW - 1):
        says, joints = estimate(network, hand, window(seen, begin, begin + WINDOW))
        change = says.depth_change
        chain = (says.weak_depth[:, :1] if depth is None else depth) + change
        anchor = (says.weak_depth - change).median(1, keepdim=True).values + change
        new, depth = (0 if begin == 0 else 1), chain[:, -1:]
        for depths, parts in ((chain, chained), (anchor, anchored)):
            placed = joints + lifted(says.root_ray, depths.clamp(min=NEAREST))[:, :, None]
            parts.append(placed[:, new:])
    return torch.cat(chained, 1), torch.cat(anchored, 1)


def main():
    """Prints a table and writes it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network, hand, table = load_weights(options.weights), OpenHand(), {}
    for name in SETS:
        seen, truth = load(options.data / f"{name}.safetensors")
        weak, streaming = streamed(network, hand, seen)
        chained, anchored = chunked(network, hand, seen)
        methods = {
            "image mode, weak2full": image_mode(network, hand, seen),
            "video, weak2full, newest frame": weak,
            "video, chained as in the paper": chained,
            "video, window anchor": anchored,
        }
        for gain, joints in zip(GAINS, streaming):
            methods[f"video, anchor and filter ({gain}), newest frame"] = joints
        table[name] = {method: errors(joints, truth[:, : joints.shape[1]]) for method, joints in methods.items()}
        for method, row in table[name].items():
            print(f"{name:14} {method:46}", *(f"{key} {value:5.1f}" for key, value in row.items()))
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
