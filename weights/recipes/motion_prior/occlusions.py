"""Motion with a stretch that nobody saw, and how far a filling is from the truth.

Ways of filling are compared on the Leap recordings that no training run reads (`recordings.HELD_OUT` of ../lite).
"""

import pathlib
import sys
from dataclasses import dataclass

import numpy as np
import torch

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "lite"))

from hand import OpenHand  # noqa: E402
from recordings import leap_clips  # noqa: E402

import rotations

FPS, ANGLES = 30, 21
LENGTHS = (10, 20, 40)
# Frames around the gap that a filling may look at, as many as the recording has; least on each side.
WINDOW, LEAST_CONTEXT = 128, 8
# Frames between the beginnings of successive gaps.
STRIDE = 4
# What an estimate of the frames that were seen is wrong by: standard deviation (radians) of the angles and of the
# wrist's rotation, and how much of an error the next frame keeps.
SEEN_SIGMA, SEEN_KEEP = (0.10, 0.05), 0.8


@dataclass
class Stretch:
    """One hand over T frames, of which `gap` (a slice) was not seen.

    angles [T,21] and root [T,3,3] are the truth; seen_angles and seen_root what a filling is shown, and are the
    truth plus errors, where there are any; what they hold in the gap says nothing.
    """

    name: str
    angles: np.ndarray
    root: np.ndarray
    seen_angles: np.ndarray
    seen_root: np.ndarray
    gap: slice

    @property
    def seen(self):
        """Which frames [T] were seen."""
        mask = np.ones(len(self.angles), bool)
        mask[self.gap] = False
        return mask


def errors_of_seeing(frames, generator, sigma=SEEN_SIGMA, keep=SEEN_KEEP):
    """Lasting errors [frames,24] of angles and rotation vector."""
    white = generator.standard_normal((frames, ANGLES + 3))
    white[1:] *= np.sqrt(1 - keep**2)
    for t in range(1, frames):
        white[t] += keep * white[t - 1]
    return white * np.repeat(sigma, (ANGLES, 3))


def stretches(clips, length, noisy, seed=0):
    """Every `STRIDE`th place of a gap of `length` frames in the clips."""
    result = []
    for clip in clips:
        angles = clip.angles.double().numpy()
        root = rotations.from_quaternion(clip.orientation.double().numpy())
        generator = np.random.default_rng([seed, len(angles)])
        error = errors_of_seeing(len(angles), generator) if noisy else np.zeros((len(angles), ANGLES + 3))
        seen_angles, seen_root = angles + error[:, :ANGLES], rotations.matrix(error[:, ANGLES:]) @ root
        for first in range(LEAST_CONTEXT, len(angles) - length - LEAST_CONTEXT + 1, STRIDE):
            begin = max(0, min(first - (WINDOW - length) // 2, len(angles) - WINDOW))
            window = slice(begin, begin + WINDOW)
            gap = slice(first - begin, first - begin + length)
            parts = (x[window] for x in (angles, root, seen_angles, seen_root))
            result.append(Stretch(clip.name, *parts, gap))
    return result


def held_out(folder):
    """The recordings that fillings are compared on."""
    return leap_clips(pathlib.Path(folder), held_out=True)


def training(folder):
    """The recordings that a prior may be fitted to."""
    return leap_clips(pathlib.Path(folder), held_out=False)


class Ruler:
    """Distances between two ways of holding the open hand, mean shape, millimetres."""

    def __init__(self):
        self.hand = OpenHand()

    def joints(self, angles, root):
        """Joints [N,21,3] in metres relative to the wrist."""
        n = len(angles)
        turns = torch.eye(3).repeat(n, 16, 1, 1)
        turns[:, 0] = torch.from_numpy(root).float()
        turns[:, 1:] = self.hand.rotations(torch.from_numpy(angles).float())
        return self.hand.joints(turns, torch.zeros(n, 10)).double().numpy()

    def distances(self, stretch, angles, root):
        """Mean distance of the joints in each frame of the gap: of the fingers alone [L], and with the wrist's
        rotation [L]; and the angle between the rotations [L], degrees."""
        gap = stretch.gap
        still = np.broadcast_to(np.eye(3), stretch.root[gap].shape)
        fingers = self.joints(stretch.angles[gap], still) - self.joints(angles, still)
        whole = self.joints(stretch.angles[gap], stretch.root[gap]) - self.joints(angles, root)
        turn = rotations.vector(rotations.transposed(stretch.root[gap]) @ root)
        mean = [np.linalg.norm(x, axis=-1)[:, 1:].mean(1) * 1e3 for x in (fingers, whole)]
        return *mean, np.degrees(np.linalg.norm(turn, axis=-1))
