"""Gaps to train on: in recorded clips at other speeds, and in made-up motion."""

import pathlib
import sys
from dataclasses import dataclass

import torch
import torch.nn.functional as F

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "lite"))

from motion import autoregressive, procedural, random_quaternions  # noqa: E402
from poses import DEGREE, FINGERS  # noqa: E402

from prior import CONTEXT, exponential, product  # noqa: E402

LENGTH, LONGEST_GAP = 96, 50
# Share of motions that follow a recorded clip.
CLIP_SHARE = 0.7
SPEED, AMPLITUDE = (0.5, 1.8), (0.6, 1.4)
# Of those: motions with one finger from another stretch; motions whose wrist turns as in another, and about other axes.
BORROWED_FINGER, BORROWED_TURN, OTHER_AXES = 0.15, 0.5, 0.7
OFFSET = 6 * DEGREE
# Share of motions seen without error; greatest standard deviations otherwise, small ones more often, and what an error keeps
# in a frame.
WITHOUT_ERROR = 0.4
ANGLE_ERROR, TURN_ERROR, ERROR_KEEP = 0.15, 0.08, (0.6, 0.8, 0.95)
# Share of gaps with few frames on a side, and share of frames around a gap that were not seen either.
FEW, ALSO_UNSEEN = 0.15, 0.1


@dataclass
class Gaps:
    """N gaps and the frames around them.

    angles [N,2C,21], root [N,2C,4] (w, x, y, z): what was seen of the C frames before and the C frames after; known
    [N,2C]; length [N]: frames from the last seen to the next. Truth of F frames in the gap: step [N,F], counted from the
    last frame seen, true_angles [N,F,21], true_root [N,F,4].
    """

    angles: torch.Tensor
    root: torch.Tensor
    known: torch.Tensor
    length: torch.Tensor
    step: torch.Tensor
    true_angles: torch.Tensor
    true_root: torch.Tensor


def played(count, clips, generator):
    """Stretches of clips, to and fro at other speeds: angles [N,L,21], orientation [N,L,4]."""
    share = torch.tensor([float(len(clip.angles)) for clip in clips]).sqrt()
    chosen = torch.multinomial(share, count, replacement=True, generator=generator)
    angles, orientation = torch.empty(count, LENGTH, 21), torch.empty(count, LENGTH, 4)
    for number, clip in enumerate(clips):
        rows = (chosen == number).nonzero()[:, 0]
        last = len(clip.angles) - 1
        speed = SPEED[0] * (SPEED[1] / SPEED[0]) ** torch.rand(len(rows), 1, generator=generator)
        at = (torch.rand(len(rows), 1, generator=generator) * 2 * last + speed * torch.arange(LENGTH)) % (2 * last)
        at = torch.where(at > last, 2 * last - at, at)
        low = at.long().clamp(max=last - 1)
        way = (at - low)[..., None]
        angles[rows] = torch.lerp(clip.angles[low], clip.angles[low + 1], way)
        orientation[rows] = F.normalize(torch.lerp(clip.orientation[low], clip.orientation[low + 1], way), dim=-1)
    return angles, orientation


def from_clips(count, clips, poses, generator):
    """Recorded motion made wider: other amplitudes and offsets, fingers and turns of other stretches."""

    def chance(share):
        return torch.rand(count, generator=generator) < share

    angles, orientation = played(count, clips, generator)
    others, turns = played(count, clips, generator)
    for part in FINGERS:
        rows = chance(BORROWED_FINGER)
        angles[rows, :, part] = others[rows, :, part]
    rows = chance(BORROWED_TURN)
    orientation[rows] = turns[rows]
    rows = chance(OTHER_AXES)
    orientation[rows] = product(orientation[rows], random_quaternions(int(rows.sum()), generator)[:, None])
    middle = angles.mean(1, keepdim=True)
    amplitude = AMPLITUDE[0] + (AMPLITUDE[1] - AMPLITUDE[0]) * torch.rand(count, 1, 21, generator=generator)
    offset = OFFSET * torch.randn(count, 1, 21, generator=generator)
    return poses.limited(middle + amplitude * (angles - middle) + offset), orientation


def motions(count, clips, poses, generator):
    """Motion to train on: angles [N,L,21], root [N,L,4]."""
    recorded = int(CLIP_SHARE * count)
    angles, root = from_clips(recorded, clips, poses, generator)
    made_up = procedural(count - recorded, LENGTH, poses, generator)
    return torch.cat([angles, made_up.angles]), torch.cat([root, made_up.orientation])


def gaps(motion, frames, generator):
    """A gap in each motion, the truth of `frames` frames of each."""
    angles, root = motion
    count = len(angles)

    def uniform(*size):
        return torch.rand(*size, generator=generator)

    wrong = ((uniform(count, 1, 1) - WITHOUT_ERROR).clamp(min=0) / (1 - WITHOUT_ERROR)) ** 1.5
    white = torch.randn(count, LENGTH, 24, generator=generator).chunk(len(ERROR_KEEP))
    error = torch.cat([autoregressive(part, keep) for part, keep in zip(white, ERROR_KEEP)])
    error = error[torch.randperm(count, generator=generator)] * wrong
    seen_angles = angles + error[..., :21] * ANGLE_ERROR
    seen_root = F.normalize(product(exponential(error[..., 21:] * TURN_ERROR), root), dim=-1)

    length = 2 + (uniform(count) * LONGEST_GAP).long()
    before = CONTEXT - 1 + (uniform(count) * (LENGTH - 2 * CONTEXT + 2 - length)).long()
    reach = torch.arange(CONTEXT)
    around = torch.cat([before[:, None] - reach.flip(0), (before + length)[:, None] + reach], 1)
    depth = torch.cat([reach.flip(0), reach])
    few = torch.where(uniform(count, 2) < FEW, (uniform(count, 2) * CONTEXT).long(), CONTEXT)
    known = (depth < few.repeat_interleave(CONTEXT, 1)) & (uniform(count, 2 * CONTEXT) > ALSO_UNSEEN * uniform(count, 1))
    known |= depth == 0
    step = 1 + (uniform(count, frames) * (length - 1)[:, None]).long()
    rows = torch.arange(count)[:, None]
    inside = before[:, None] + step
    return Gaps(
        seen_angles[rows, around],
        seen_root[rows, around],
        known,
        length,
        step,
        angles[rows, inside],
        root[rows, inside],
    )
