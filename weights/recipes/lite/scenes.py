"""Windows to learn from: moving hands before a camera, with what a detector sees of them."""

import math
from dataclasses import dataclass

import torch

from detector import as_in_real_clips, observe
from hand import quaternion_product, rotation_from_quaternion
from motion import FPS, random_quaternions
from network import WINDOW
from tokens import Observation, box_numbers, box_of

# Standard deviation of each shape coefficient; the first is size, narrower among adults than in the model.
SHAPE_SIGMA = torch.tensor([0.6] + [1.0] * 9)
SHAPE_LIMIT = 2.5
DEPTH = (0.22, 1.5)
NEAREST_POINT = 0.1
# Angle of half the longer side of the picture, and sides of a picture relative to the longer one.
HALF_ANGLE = (math.radians(22), math.radians(46))
FORMATS = torch.tensor([[1, 9 / 16], [1, 9 / 16], [1, 3 / 4], [9 / 16, 1], [3 / 4, 1]])
FRAME_STEPS = torch.tensor([1, 1, 2, 3, 4])
DROPPED, MOST_DROPPED = 0.08, 2
# Frame time relative to FPS: other frame rates and other speeds.
FRAME_TIME = (0.6, 1.3)
UNIFORM_CONFIDENCE, LANDMARKS, OTHER_HAND = 0.5, 0.6, 0.5


@dataclass
class Truth:
    """The hands behind B windows of T frames, camera axes, metres.

    rotations [B,T,16,3,3]; betas [B,10]; joints [B,T,21,3] relative to the wrist; wrist [B,T,3];
    usable [B]: the whole hand stays before the camera.
    """

    rotations: torch.Tensor
    betas: torch.Tensor
    joints: torch.Tensor
    wrist: torch.Tensor
    usable: torch.Tensor

    def camera_joints(self):
        """Joints [B,T,21,3] in camera space."""
        return self.joints + self.wrist[:, :, None]


def fields_of_view(count, generator):
    """Half width and height of pictures [N,2] in normalised coordinates."""
    low, high = HALF_ANGLE
    angle = low + (high - low) * torch.rand(count, 1, generator=generator)
    return torch.tan(angle) * FORMATS[torch.randint(len(FORMATS), (count,), generator=generator)]


def random_shapes(count, generator):
    """Shape coefficients [N,10]."""
    return SHAPE_SIGMA * torch.randn(count, 10, generator=generator).clamp(-SHAPE_LIMIT, SHAPE_LIMIT)


def placed(motion, hand, half_fov, generator):
    """Hands that make `motion`, turned any way, somewhere before the camera."""
    count, length = motion.angles.shape[:2]
    turn = random_quaternions(count, generator)
    orientation = quaternion_product(turn[:, None].expand_as(motion.orientation), motion.orientation)
    fingers = hand.rotations(motion.angles.flatten(0, 1)).unflatten(0, (count, length))
    rotations = torch.cat([rotation_from_quaternion(orientation)[:, :, None], fingers], 2)
    betas = random_shapes(count, generator)
    joints = hand.joints(rotations.flatten(0, 1), betas.repeat_interleave(length, 0)).unflatten(0, (count, length))
    low, high = DEPTH
    depth = low * (high / low) ** torch.rand(count, 1, generator=generator)
    ray = 0.85 * half_fov * (2 * torch.rand(count, 2, generator=generator) - 1)
    place = torch.cat([ray * depth, depth], -1)
    moved = motion.position - motion.position[:, length // 2, None]
    wrist = place[:, None] + torch.einsum("bij,btj->bti", rotation_from_quaternion(turn), moved)
    usable = (joints[..., 2] + wrist[..., None, 2]).amin((1, 2)) > NEAREST_POINT
    return Truth(rotations, betas, joints, wrist, usable)


def other_hands(centre, side, half_fov, generator):
    """Boxes [B,T,5] of another hand, in some windows: anywhere in the picture, of about the same size."""
    count = len(side)
    there = (torch.rand(count, 1, 1, generator=generator) < OTHER_HAND).float()
    place = half_fov * (2 * torch.rand(count, 2, generator=generator) - 1)
    place = place[:, None] + 0.5 * (centre - centre[:, -1:])
    size = side * torch.exp(0.3 * torch.randn(count, 1, generator=generator))
    return torch.cat([torch.ones_like(size)[..., None], box_numbers(place, size)], -1) * there


def random_windows(pool, hand, count, generator):
    """`count` windows of WINDOW frames out of a pool of motion: the observation and the truth."""
    rows = torch.randint(len(pool), (count,), generator=generator)
    steps = FRAME_STEPS[torch.randint(len(FRAME_STEPS), (count, 1), generator=generator)].expand(-1, WINDOW - 1)
    dropped = torch.rand(count, WINDOW - 1, generator=generator) < DROPPED
    steps = steps + dropped * torch.randint(1, MOST_DROPPED + 1, (count, WINDOW - 1), generator=generator)
    columns = torch.cat([torch.zeros(count, 1, dtype=torch.long), steps.cumsum(1)], 1)
    spare = pool.angles.shape[1] - columns[:, -1:]
    columns = columns + (torch.rand(count, 1, generator=generator) * spare).long()
    low, high = FRAME_TIME
    frame_time = low * (high / low) ** torch.rand(count, 1, generator=generator) / FPS
    half_fov = fields_of_view(count, generator)
    truth = placed(pool.at(rows, columns), hand, half_fov, generator)
    uniform = torch.rand(count, generator=generator) < UNIFORM_CONFIDENCE
    rays, conf, landmarks = observe(truth.camera_joints(), uniform, generator)
    landmarks = as_in_real_clips(landmarks, generator)
    has = (torch.rand(count, 1, generator=generator) < LANDMARKS).float().expand(-1, WINDOW)
    centre, side = box_of(rays, conf)
    other = other_hands(centre, side, half_fov, generator)
    age = (columns[:, -1:] - columns) * frame_time
    return Observation(rays, conf, landmarks, has, age, other, half_fov), truth
