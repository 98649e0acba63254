"""Key poses: free angles of a hand, made up from finger synergies or taken from recordings."""

import math

import torch

from hand import FREE_ANGLES

DEGREE = math.pi / 180
# Of all key poses: taken from recordings, closing together, every finger on its own; the rest relaxed.
RECORDED, CLOSING, SEPARATE = 0.4, 0.25, 0.27
# Of the recorded poses: those whose fingers come from several recordings.
MIXED_FINGERS = 0.4
RECORDED_SPREAD = 5 * DEGREE
FINGERS = [slice(4 * k, 4 * k + 4) for k in range(4)] + [slice(16, 21)]


class PoseSource:
    """Random key poses within the hand's limits."""

    def __init__(self, hand, recorded=None):
        """`recorded` [N,21]: angles to draw from; none: only made-up poses."""
        self.lower, self.upper, self.recorded = hand.lower, hand.upper, recorded

    def draw(self, count, generator):
        """Angles [count,21] in radians."""
        kind = torch.rand(count, generator=generator)
        angles = made_up(count, generator)
        if self.recorded is not None:
            angles = torch.where((kind < RECORDED)[:, None], self.from_recordings(count, generator), angles)
        return self.limited(angles)

    def limited(self, angles):
        """The angles within the limits."""
        return torch.minimum(torch.maximum(angles, self.lower), self.upper)

    def from_recordings(self, count, generator):
        """Recorded poses, slightly changed; in some every finger comes from another one."""
        pick = torch.randint(len(self.recorded), (count, 5), generator=generator)
        mixed = torch.rand(count, 1, generator=generator) < MIXED_FINGERS
        pick = torch.where(mixed, pick, pick[:, :1])
        angles = torch.empty(count, FREE_ANGLES)
        for finger, part in enumerate(FINGERS):
            angles[:, part] = self.recorded[pick[:, finger], part]
        return angles + RECORDED_SPREAD * torch.randn(count, FREE_ANGLES, generator=generator)


def made_up(count, generator):
    """Poses from a closing amount per finger, led by the knuckle or by the middle joint, and a spread."""

    def uniform(*size):
        return torch.rand(*size, generator=generator)

    def normal(*size):
        return torch.randn(*size, generator=generator)

    kind = uniform(count, 1) * (1 - RECORDED)
    closing = uniform(count, 1) + 0.15 * normal(count, 4)
    states = torch.tensor([0.03, 0.5, 0.95])[torch.randint(0, 3, (count, 4), generator=generator)]
    separate = states + 0.08 * normal(count, 4)
    relaxed = 0.2 + 0.1 * normal(count, 4)
    closed = torch.where(kind < CLOSING, closing, torch.where(kind < CLOSING + SEPARATE, separate, relaxed))
    closed = closed.clamp(0, 1)
    knuckle, middle = 0.4 + 0.6 * uniform(count, 1), 0.4 + 0.6 * uniform(count, 1)
    angles = torch.empty(count, FREE_ANGLES)
    spread = 6 * DEGREE * normal(count, 1) * torch.tensor([1.0, 0.2, -1.3, -0.5])
    bent = closed * middle * 105 * DEGREE + 4 * DEGREE * normal(count, 4).abs()
    angles[:, 0:16:4] = closed * knuckle * 90 * DEGREE + (6 * normal(count, 4) - 3) * DEGREE
    angles[:, 1:16:4] = (5 * DEGREE * normal(count, 4) + spread) * (1 - 0.7 * closed)
    angles[:, 2:16:4] = bent
    angles[:, 3:16:4] = bent * (0.45 + 0.3 * uniform(count, 4)) + 3 * DEGREE * normal(count, 4).abs()
    thumb = uniform(count)
    angles[:, 16] = (35 * thumb - 10 + 6 * normal(count)) * DEGREE
    angles[:, 17] = 12 * DEGREE * normal(count)
    angles[:, 18] = 8 * DEGREE * normal(count)
    angles[:, 19] = 58 * DEGREE * thumb * uniform(count)
    angles[:, 20] = 84 * DEGREE * thumb * uniform(count)
    return angles
