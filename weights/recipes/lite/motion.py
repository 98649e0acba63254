"""Hand motion: key poses joined by minimum-jerk moves and holds, and recorded clips at other speeds."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from hand import quaternion_product
from poses import DEGREE

FPS = 30.0
KEYS = 10
# Range of the wrist around its start, metres, and the share of sequences that follow a recorded clip.
REACH = 0.25
CLIP_SHARE = 0.2


@dataclass
class Motion:
    """N sequences of L frames at FPS.

    angles [N,L,21]; orientation [N,L,4]: quaternions (w, x, y, z); position [N,L,3] of the wrist, metres.
    """

    angles: torch.Tensor
    orientation: torch.Tensor
    position: torch.Tensor

    def __len__(self):
        return len(self.angles)

    def at(self, rows, columns):
        """Frames `columns` [B,T] of sequences `rows` [B]."""
        return Motion(*(value[rows[:, None], columns] for value in vars(self).values()))


def joined(motions):
    """One set of all sequences."""
    return Motion(*(torch.cat(parts) for parts in zip(*(vars(motion).values() for motion in motions))))


def moves(count, length, shortest, longest, tempo, generator):
    """Which key [N,L] each frame comes from and how far [N,L] it is on the way to the next."""
    took = shortest + (longest - shortest) * torch.rand(count, KEYS, generator=generator)
    starts = F.pad((took / tempo).clamp(0.12, 3).cumsum(1), (1, 0)) - 0.5 * torch.rand(count, 1, generator=generator)
    time = torch.arange(length) / FPS
    key = (time[None, :, None] >= starts[:, None, 1:]).sum(-1).clamp(max=KEYS - 1)
    begin, end = starts.gather(1, key), starts.gather(1, key + 1)
    hold = 0.35 * torch.rand(count, 1, generator=generator)
    way = (((time - begin) / (end - begin) - hold / 2) / (1 - hold)).clamp(0, 1)
    return key, way**3 * (10 - 15 * way + 6 * way**2)


def blended(keys, key, way):
    """Linear blend [N,L,C] of keys [N,K,C]."""
    index = key[..., None].expand(-1, -1, keys.shape[-1])
    return torch.lerp(keys.gather(1, index), keys.gather(1, index + 1), way[..., None])


def random_quaternions(count, generator):
    """Uniformly distributed rotations [N,4]."""
    return F.normalize(torch.randn(count, 4, generator=generator), dim=-1)


def small_turn(axis_angle):
    """Quaternions of rotation vectors [...,3]."""
    half = axis_angle.norm(dim=-1, keepdim=True) / 2
    return torch.cat([torch.cos(half), 0.5 * axis_angle * torch.sinc(half / math.pi)], -1)


def procedural(count, length, poses, generator):
    """Made-up sequences: fingers, orientation and position each on their own keys."""

    def normal(*size):
        return torch.randn(*size, generator=generator)

    tempo = torch.exp(0.5 * normal(count, 1))
    keys = poses.draw(count * (KEYS + 1), generator).unflatten(0, (count, KEYS + 1))
    angles = blended(keys, *moves(count, length, 0.25, 1.2, tempo, generator))
    turns = [random_quaternions(count, generator)]
    for _ in range(KEYS):
        axis = F.normalize(normal(count, 3), dim=-1)
        angle = (35 * DEGREE * normal(count, 1).abs()).clamp(max=100 * DEGREE)
        turns.append(quaternion_product(small_turn(axis * angle), turns[-1]))
    key, way = moves(count, length, 0.3, 1.3, tempo, generator)
    # Steps stay below 100 degrees, where a normalised blend turns evenly enough.
    orientation = F.normalize(blended(torch.stack(turns, 1), key, way), dim=-1)
    step = (0.04 + 0.2 * torch.rand(count, 1, generator=generator)) / math.sqrt(3)
    place = [torch.zeros(count, 3)]
    for _ in range(KEYS):
        place.append((place[-1] + 1.7 * step * normal(count, 3)).clamp(-REACH, REACH))
    position = blended(torch.stack(place, 1), *moves(count, length, 0.3, 1.4, tempo, generator))
    return Motion(angles, orientation, position + tremor(count, length, generator))


def tremor(count, length, generator):
    """Slow trembling of about a millimetre, [N,L,3]."""
    return autoregressive(torch.randn(count, length, 3, generator=generator), 0.85) * 0.001


def autoregressive(white, keep):
    """White noise [N,L,...] made stationary first-order autoregressive along L, of the same variance."""
    length = white.shape[1]
    lag = (torch.arange(length)[:, None] - torch.arange(length)[None]).abs()
    factor = torch.linalg.cholesky((keep**lag).double()).float()
    return torch.einsum("ts,ns...->nt...", factor, white)


def from_clips(count, length, clips, poses, generator):
    """Stretches of recorded clips, played to and fro at 0.7 to 1.6 of their speed with other finger offsets."""
    parts = []
    share = torch.tensor([float(len(clip.angles)) for clip in clips])
    chosen = torch.multinomial(share, count, replacement=True, generator=generator)
    for number, clip in enumerate(clips):
        rows = int((chosen == number).sum())
        last = len(clip.angles) - 1
        speed = 0.7 + 0.9 * torch.rand(rows, 1, generator=generator)
        at = (torch.rand(rows, 1, generator=generator) * 2 * last + speed * torch.arange(length)) % (2 * last)
        at = torch.where(at > last, 2 * last - at, at)
        low = at.long().clamp(max=last - 1)
        way = (at - low)[..., None]
        angles, orientation, position = (
            torch.lerp(value[low], value[low + 1], way) for value in (clip.angles, clip.orientation, clip.position)
        )
        offset = 4 * DEGREE * torch.randn(rows, 1, angles.shape[-1], generator=generator)
        position = position - position.mean(1, keepdim=True)
        parts.append(Motion(poses.limited(angles + offset), F.normalize(orientation, dim=-1), position))
    return joined(parts)


def pool(count, length, poses, clips, generator):
    """Sequences to draw windows from; `clips` may be empty."""
    recorded = int(CLIP_SHARE * count) if clips else 0
    motions = [procedural(count - recorded, length, poses, generator)]
    if recorded:
        motions.append(from_clips(recorded, length, clips, poses, generator))
    return joined(motions)
