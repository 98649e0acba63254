"""Ways of filling a gap that need no network: great circles, the analytic prior of the refinement, and a linear-Gaussian
model of recorded motion. Each gives angles [L,21] and root [L,3,3] of the gap."""

import math
from dataclasses import dataclass

import numpy as np

import rotations
from occlusions import ANGLES, FPS, training

DT = 1 / FPS


def great_circles(stretch):
    """Straight lines in angles, great circles in rotation: from the last frame seen to the next."""
    before, after = stretch.gap.start - 1, stretch.gap.stop
    part = np.arange(1, after - before)[:, None] / (after - before)
    a, b = stretch.seen_angles[before], stretch.seen_angles[after]
    turn = rotations.vector(stretch.seen_root[after] @ stretch.seen_root[before].T)
    return a + part * (b - a), rotations.matrix(part * turn) @ stretch.seen_root[before]


def unrolled(stretch):
    """Rotation vectors [T,3] in world axes whose differences are the root's turns, great circles across the gap;
    and the matrices [T,3,3] they stand for."""
    root = stretch.seen_root.copy()
    root[stretch.gap] = great_circles(stretch)[1]
    steps = rotations.vector(root[1:] @ rotations.transposed(root[:-1]))
    return np.concatenate([np.zeros((1, 3)), np.cumsum(steps, 0)]), root


@dataclass(frozen=True)
class MotionTerms:
    """The refinement's analytic prior (src/refine/config.rs, src/fit/prior.rs) at 30 frames a second: accelerations in
    rad/s^2, times in seconds."""

    angle_acceleration: float = 40.0
    rotation_acceleration: float = 30.0
    velocity_memory: float = 0.3
    anatomy_memory: float = 0.3


# The same with motion that gives way less and usual bends that are said once: best of eight tried on the recordings that
# are not held out.
SLOW = MotionTerms(20.0, 15.0, 0.1, math.inf)
USUAL = np.array([0.45, 0.1, 0.4, 0.3, 0.45, 0.05, 0.4, 0.3, 0.55, 0, 0.45, 0.3, 0.55, 0, 0.45, 0.3, 0, 0.1, 0, 0.15, 0.1])
FLEXION_SIGMA, ABDUCTION_SIGMA, COUPLING_SIGMA, LAST_JOINT = 0.6, 0.2, 0.25, 0.6
SIDEWAYS = (1, 5, 9, 13, 17, 18)
# Standard deviations that a frame which was seen is believed to.
BELIEVED = {"angle": 0.02, "rotation": 0.01}
BELIEVED_NOISY = {"angle": 0.10, "rotation": 0.05}


def velocity_links(frames, acceleration, memory):
    """Information matrix of a motion whose velocity dies away and changes by white accelerations."""
    keep = np.exp(-DT / memory)
    links = np.zeros((frames - 2, frames))
    for t in range(frames - 2):
        links[t, t : t + 3] = np.array([keep, -1 - keep, 1]) / DT
    return links.T @ links / (acceleration * DT) ** 2


def analytic(stretch, noisy=False, terms=MotionTerms()):
    """The most likely motion under the refinement's own terms: motion and anatomy."""
    frames = len(stretch.angles)
    believed = BELIEVED_NOISY if noisy else BELIEVED
    seen = stretch.seen.astype(float)
    trust = seen / believed["angle"] ** 2
    once = DT / terms.anatomy_memory
    information = np.zeros((ANGLES, frames, ANGLES, frames))
    right = np.zeros((ANGLES, frames))
    links = velocity_links(frames, terms.angle_acceleration, terms.velocity_memory)
    angles = np.where(stretch.seen[:, None], stretch.seen_angles, 0)
    for k in range(ANGLES):
        sigma = ABDUCTION_SIGMA if k in SIDEWAYS else FLEXION_SIGMA
        information[k, :, k] = links + np.diag(trust + once / sigma**2)
        right[k] = trust * angles[:, k] + once / sigma**2 * USUAL[k]
    filled = np.empty((frames, ANGLES))
    done = set()
    for middle in (2, 6, 10, 14):
        pair = [middle, middle + 1]
        block = information[np.ix_(pair, range(frames), pair, range(frames))]
        factors = np.array([-LAST_JOINT, 1])
        for i in range(2):
            for j in range(2):
                block[i, :, j] += np.eye(frames) * factors[i] * factors[j] * once / COUPLING_SIGMA**2
        solved = np.linalg.solve(block.reshape(2 * frames, 2 * frames), right[pair].reshape(-1))
        filled[:, pair] = solved.reshape(2, frames).T
        done.update(pair)
    for k in set(range(ANGLES)) - done:
        filled[:, k] = np.linalg.solve(information[k, :, k], right[k])
    way, root = unrolled(stretch)
    trust = seen / believed["rotation"] ** 2
    links = velocity_links(frames, terms.rotation_acceleration, terms.velocity_memory)
    smooth = np.linalg.solve(links + np.diag(trust), trust[:, None] * way)
    gap = stretch.gap
    return filled[gap], (rotations.matrix(smooth - way) @ root)[gap]


class LinearGaussian:
    """Angles along the principal axes of recorded poses, each a stationary Gaussian process of its own: its
    autocovariance is that of recorded motion. The wrist's rotation as in `analytic`."""

    def __init__(self, folder, longest=128):
        clips = [clip.angles.double().numpy() for clip in training(folder)]
        everything = np.concatenate(clips)
        self.mean = everything.mean(0)
        _, self.axes = np.linalg.eigh(np.cov(everything.T))
        sums, frames = np.zeros((longest, ANGLES)), 0
        for angles in clips:
            z = (angles - self.mean) @ self.axes
            frames += len(z)
            for lag in range(min(longest, len(z))):
                sums[lag] += (z[lag:] * z[: len(z) - lag]).sum(0)
        # Divided by the frames, not by the pairs: longer lags fade out, and the function stays one of a process.
        self.autocovariance = sums / frames

    def __call__(self, stretch, noisy=False):
        frames = len(stretch.angles)
        lag = np.abs(np.subtract.outer(np.arange(frames), np.arange(frames)))
        seen, gap = np.flatnonzero(stretch.seen), np.arange(frames)[stretch.gap]
        sigma = (BELIEVED_NOISY if noisy else BELIEVED)["angle"]
        z = (stretch.seen_angles[seen] - self.mean) @ self.axes
        filled = np.empty((len(gap), ANGLES))
        for k in range(ANGLES):
            c = self.autocovariance[:, k][lag]
            known = c[np.ix_(seen, seen)] + np.eye(len(seen)) * sigma**2
            filled[:, k] = c[np.ix_(gap, seen)] @ np.linalg.solve(known, z[:, k])
        return self.mean + filled @ self.axes.T, analytic(stretch, noisy)[1]
