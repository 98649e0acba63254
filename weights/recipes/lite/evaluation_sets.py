"""Writes the evaluation sets: made-up motion with seeds no training run uses, and held-out recordings.

    python evaluation_sets.py --motion MOTION_FOLDER --output ../../../bench/data
"""

import argparse
import pathlib

import torch
from safetensors.torch import save_file

from detector import observe
from hand import OpenHand
from motion import FPS, Motion, joined, procedural
from poses import PoseSource
from recordings import leap_clips
from scenes import Truth, fields_of_view, placed

FRAMES, SYNTHETIC_SEQUENCES, CAMERAS = 50, 39, 2
SYNTHETIC_SEED, LEAP_SEED = 777_030, 777_031
# Candidates drawn for each sequence; the first whose hand stays in the picture is taken.
CANDIDATES = 40
NEAREST = 0.15


def in_picture(truth, half_fov):
    """Which sequences keep every joint before the camera and every wrist in the picture."""
    joints = truth.camera_joints()
    rays = (truth.wrist[..., :2] / truth.wrist[..., 2:].clamp(min=0.01)).abs()
    return (joints[..., 2].amin((1, 2)) > NEAREST) & (rays < half_fov[:, None]).all(-1).all(-1)


def first_in_picture(motion, hand, generator):
    """Each sequence of `motion` before one camera: its truth and field of view."""
    truths, fovs = [], []
    for row in range(len(motion)):
        candidates = Motion(*(value[row : row + 1].expand(CANDIDATES, -1, -1) for value in vars(motion).values()))
        half_fov = fields_of_view(CANDIDATES, generator)
        truth = placed(candidates, hand, half_fov, generator)
        good = in_picture(truth, half_fov).nonzero()
        if len(good) == 0:
            raise SystemExit(f"no placing of sequence {row} keeps the hand in the picture: raise CANDIDATES")
        first = int(good[0])
        truths.append(Truth(*(value[first : first + 1] for value in vars(truth).values())))
        fovs.append(half_fov[first : first + 1])
    return Truth(*(torch.cat(parts) for parts in zip(*(vars(t).values() for t in truths)))), torch.cat(fovs)


def save(path, truth, half_fov, with_landmarks, generator, metadata):
    """Observes the hands, every second sequence with one confidence for all points, and writes the file."""
    uniform = torch.arange(len(half_fov)) % 2 == 1
    rays, conf, landmarks = observe(truth.camera_joints(), uniform, generator)
    tensors = dict(
        rays=rays,
        conf=conf.half(),
        landmarks=(landmarks * with_landmarks).half(),
        has_landmarks=torch.full((len(rays),), float(with_landmarks)),
        joints=truth.camera_joints(),
        betas=truth.betas,
        half_fov=half_fov,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, str(path), metadata=metadata)
    travel = (truth.wrist - truth.wrist[:, :1]).norm(dim=-1).mean() * 1e3
    print(f"{path.name}: {len(rays)} sequences, mean travel {travel:.0f} mm, {path.stat().st_size} bytes")


def main():
    """Writes both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--motion", type=pathlib.Path, required=True, help="folder of recordings")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    options = parser.parse_args()
    hand = OpenHand()
    layout = dict(fps=f"{FPS:.0f}", keypoints="openpose21", units="metre", side="right")

    generator = torch.Generator().manual_seed(SYNTHETIC_SEED)
    motion = procedural(SYNTHETIC_SEQUENCES, FRAMES, PoseSource(hand), generator)
    truth, half_fov = first_in_picture(motion, hand, generator)
    about = layout | dict(licence="CC0-1.0", source="made-up motion of the open hand")
    save(options.output / "lite_holdout.safetensors", truth, half_fov, False, generator, about)

    generator = torch.Generator().manual_seed(LEAP_SEED)
    cuts, names = [], []
    for clip in leap_clips(options.motion, held_out=True):
        for begin in range(0, len(clip.angles) - FRAMES + 1, FRAMES):
            part = (value[None, begin : begin + FRAMES] for value in (clip.angles, clip.orientation, clip.position))
            cuts += [Motion(*part)] * CAMERAS
            names += [f"{clip.name}@{begin}"] * CAMERAS
    truth, half_fov = first_in_picture(joined(cuts), hand, generator)
    about = layout | dict(
        licence="Apache-2.0",
        source="leapmotion/leapjs-playback recordings (Apache-2.0), retargeted to the open hand",
        sequences=", ".join(names),
    )
    save(options.output / "leap_holdout.safetensors", truth, half_fov, True, generator, about)


if __name__ == "__main__":
    main()
