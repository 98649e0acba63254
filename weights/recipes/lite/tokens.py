"""What the network reads: the numbers of one frame and of its surroundings (see README.md, Input)."""

from dataclasses import dataclass

import torch

TOKEN = 134
CONTEXT = 14
BOX_MARGIN = 1.3
TYPICAL_BOX = 0.25


@dataclass
class Observation:
    """Windows of observations of a right hand; B windows of T frames, oldest first.

    rays [B,T,21,2]: key points in normalised camera coordinates; conf [B,T,21], 0 = missing;
    landmarks [B,T,21,3]: tracker landmarks in camera axes, any origin and scale; has_landmarks [B,T];
    age [B,T]: seconds before the newest frame; other [B,T,5]: present, centre x, y, ln(b/0.25), b of the
    other hand; half_fov [B,2]: half the picture's width and height in normalised coordinates.
    """

    rays: torch.Tensor
    conf: torch.Tensor
    landmarks: torch.Tensor
    has_landmarks: torch.Tensor
    age: torch.Tensor
    other: torch.Tensor
    half_fov: torch.Tensor

    def map(self, change):
        """The observation with `change` applied to every tensor."""
        return Observation(**{name: change(value) for name, value in vars(self).items()})

    def newest(self, length):
        """The windows cut to their newest `length` frames."""
        cut = {name: value if name == "half_fov" else value[:, -length:] for name, value in vars(self).items()}
        return Observation(**cut)

    def single(self):
        """Every frame as a window of its own."""
        frames = self.rays.shape[1]
        one = {name: value.flatten(0, 1)[:, None] for name, value in vars(self).items() if name != "half_fov"}
        one["age"] = torch.zeros_like(one["age"])
        return Observation(half_fov=self.half_fov.repeat_interleave(frames, 0), **one)


def box_of(rays, conf):
    """Centre [...,2] and side [...] of the square around the present points, margin included."""
    missing = (conf <= 0)[..., None]
    low = rays.masked_fill(missing, 1e9).amin(-2)
    high = rays.masked_fill(missing, -1e9).amax(-2)
    return (low + high) / 2, BOX_MARGIN * (high - low).amax(-1)


def box_numbers(centre, side):
    """cx, cy, ln(b/0.25), b."""
    return torch.cat([centre, torch.log(side / TYPICAL_BOX)[..., None], side[..., None]], -1)


def normalised_landmarks(landmarks, has):
    """Landmarks minus their mean, of RMS radius one; zeros where absent."""
    centred = landmarks - landmarks.mean(-2, keepdim=True)
    radius = centred.square().sum(-1).mean(-1).sqrt()
    return centred / radius.clamp(min=1e-9)[..., None, None] * has[..., None, None]


def tokens_of(seen):
    """Token input [B,T,134], context input [B,T,14], box centre [B,T,2] and side [B,T]."""
    centre, side = box_of(seen.rays, seen.conf)
    points = (seen.rays - centre[..., None, :]) / side[..., None, None] * 2
    points = points * (seen.conf > 0)[..., None]
    landmarks = normalised_landmarks(seen.landmarks, seen.has_landmarks)
    box = box_numbers(centre, side)
    frame = [points.flatten(-2), seen.conf, landmarks.flatten(-2), seen.has_landmarks[..., None]]
    frame += [box, 0.2 * centre / side[..., None], seen.age[..., None]]
    length = seen.age.shape[1]
    gap = torch.zeros_like(seen.age)
    gap[:, 1:] = seen.age[:, :-1] - seen.age[:, 1:]
    around = [box, seen.other, seen.half_fov[:, None].expand(-1, length, -1), seen.age[..., None]]
    around += [gap[..., None], torch.full_like(gap, length / 8)[..., None]]
    return torch.cat(frame, -1), torch.cat(around, -1), centre, side
