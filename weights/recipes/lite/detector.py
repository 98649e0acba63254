"""What a key point detector makes of a hand: biased, noisy points, confidences and landmarks in metres."""

import math

import torch
import torch.nn.functional as F

from hand import MIDDLE_KNUCKLE, OPENPOSE_PARENT, axis_rotation
from motion import autoregressive

# Where MediaPipe sees the key points: millimetres beyond the model's joint along the bone that ends there
# (the wrist's: toward the middle knuckle). The numbers of src/fit/landmarks.rs; they were fitted to real clips.
BEYOND_JOINT_MM = [10.4, -5, 9.7, 2.3, -4.1, 0.6, 4.8, 5.2, -2.5, 3.4, 2.6, 0.6, -4.1]
BEYOND_JOINT_MM += [4.4, 4.9, 3.3, -4.2, 5, 5.6, 8.9, 4.4]
BIAS_SIGMA_MM = 3.0
# Standard deviation of a point's noise as a share of the hand's extent: range, and spread between points.
NOISE, NOISE_SPREAD = (0.004, 0.018), 0.35
SLOW_SHARE, SLOW_KEEP = 0.7, 0.8
# Chance and size of single wild points, chance of a missing one, chance of each of two hidden groups.
WILD, WILD_SIZE, MISSING, HIDDEN = 0.006, 0.2, 0.02, 0.3
HIDDEN_NOISE = (0.03, 0.1)
LONGEST_HIDDEN = 14
# Landmarks: error of the whole hand's orientation, of depth scale, of points in x, y and z (m).
TILT, DEPTH_SCALE = math.radians(12), 0.1
LANDMARK_SLOW, LANDMARK_WHITE = torch.tensor([0.004, 0.004, 0.010]), 0.002
# Lasting errors that real landmarks add (README.md), standard deviations where they are strongest: a turn about each
# axis, and an error of each point, metres.
CLIP_TURN, CLIP_POINT = math.radians(16), 0.012
# Points that get hidden together: each finger (little to index, thumb), all outer joints, the outer fingers.
GROUPS = [list(range(base + 1, base + 4)) for base in (5, 9, 13, 17)] + [[2, 3, 4]]
GROUPS += [[k for k in range(1, 21) if k % 4 in (3, 0)], list(range(9, 13)) + list(range(13, 21))]


def seen_points(joints, generator):
    """Where the detector's points lie on hands [B,T,21,3]: one deviation per window and point."""
    towards = joints - joints[..., OPENPOSE_PARENT, :]
    towards[..., 0, :] = joints[..., MIDDLE_KNUCKLE, :] - joints[..., 0, :]
    deviation = BIAS_SIGMA_MM * torch.randn(len(joints), 1, 21, 1, generator=generator)
    beyond = (torch.tensor(BEYOND_JOINT_MM)[:, None] + deviation) * 1e-3
    return joints + F.normalize(towards, dim=-1) * beyond


def hidden_noise(windows, length, generator):
    """Extra noise [B,T,21] of points that are hidden for a while."""
    groups = torch.zeros(len(GROUPS), 21)
    for row, points in zip(groups, GROUPS):
        row[points] = 1
    low, high = HIDDEN_NOISE
    longest = min(LONGEST_HIDDEN, length - 2)
    time, extra = torch.arange(length), 0.0
    for _ in range(2):
        chance, begin, lasts, strength = torch.rand(4, windows, 1, generator=generator)
        group = groups[torch.randint(len(GROUPS), (windows,), generator=generator)]
        begin, lasts = (begin * length).floor(), 2 + (lasts * longest).floor()
        now = (chance < HIDDEN) & (time >= begin) & (time < begin + lasts)
        extra = extra + (now * (low + (high - low) * strength))[..., None] * group[:, None]
    return extra


def observe(joints, uniform, generator):
    """Rays [B,T,21,2], confidences [B,T,21] and landmarks [B,T,21,3] of hands [B,T,21,3] in camera space.

    Windows marked in `uniform` [B] carry one score for all points and miss none.
    """
    windows, length = joints.shape[:2]
    size = (windows, length, 21)

    def noise(*extra):
        return torch.randn(*size, *extra, generator=generator)

    points = seen_points(joints, generator)
    exact = points[..., :2] / points[..., 2:].clamp(min=0.05)
    extent = (exact.amax(2) - exact.amin(2)).amax(-1)[..., None, None]
    sigma = NOISE[0] + (NOISE[1] - NOISE[0]) * torch.rand(windows, 1, 1, generator=generator)
    sigma = sigma * torch.exp(NOISE_SPREAD * torch.randn(windows, 1, 21, generator=generator))
    sigma = sigma + hidden_noise(windows, length, generator)
    wild = (torch.rand(size, generator=generator) < WILD).float()
    error = SLOW_SHARE * autoregressive(noise(2), SLOW_KEEP) + SLOW_SHARE * noise(2)
    error = error * sigma[..., None] + WILD_SIZE * wild[..., None] * noise(2)
    rays = exact + error * extent
    conf = torch.exp(-sigma / 0.03) + 0.12 * noise() - 0.3 * wild * torch.rand(size, generator=generator)
    conf = conf.clamp(0.02, 1) * (torch.rand(size, generator=generator) >= MISSING)
    score = 0.75 + 0.25 * torch.rand(windows, 1, 1, generator=generator)
    conf = torch.where(uniform[:, None, None], score.expand(size), conf)
    return rays, conf, tracker_landmarks(points, sigma, generator)


def tracker_landmarks(points, sigma, generator):
    """Landmarks [B,T,21,3]: turned as a whole, stretched in depth, each off by a slow and a white error."""
    windows = len(points)
    axis = F.normalize(torch.randn(windows, 3, generator=generator), dim=-1)
    tilt = axis_rotation(axis, TILT * torch.randn(windows, generator=generator))
    centred = points - points.mean(2, keepdim=True)
    turned = torch.einsum("bij,btkj->btki", tilt, centred)
    stretch = torch.exp(DEPTH_SCALE * torch.randn(windows, 1, 1, generator=generator))
    turned = torch.cat([turned[..., :2], turned[..., 2:] * stretch[..., None]], -1)
    slow = autoregressive(torch.randn(points.shape, generator=generator), 0.85)
    white = torch.randn(points.shape, generator=generator)
    worse = 1 + 2 * (sigma[..., None] / 0.05).clamp(max=1)
    return turned + slow * LANDMARK_SLOW * worse + LANDMARK_WHITE * white


def as_in_real_clips(landmarks, generator):
    """The landmarks [B,T,21,3] with errors that last: turned and bent by a random share of what real clips show."""
    windows = len(landmarks)
    share = torch.rand(windows, 1, generator=generator)
    turn = CLIP_TURN * share * torch.randn(windows, 3, generator=generator)
    angle = turn.norm(dim=-1).clamp(min=1e-9)
    turned = torch.einsum("bij,btkj->btki", axis_rotation(turn / angle[:, None], angle), landmarks)
    return turned + CLIP_POINT * share[:, None, None] * torch.randn(windows, 1, 21, 3, generator=generator)
