"""The motion prior: what lies in a gap, from the frames around it, and how sure that is.

First an ordinary kriging of angles and turns: the frames around the gap are weighted so that the expected error is least
for motion with the variogram of recorded hands (Matheron 1963; a linear-Gaussian model that needs no mean). Then a network
reads the same frames and says how far from that the truth is, as a few modes over the gap's time (as HMP and NeMF, a code of
the motion decoded at any time), with a standard deviation for each number.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

ANGLES, TURNS = 21, 3
STATE = ANGLES + TURNS
# Frames on each side of the gap that count.
CONTEXT = 10
# Half the expected square of how far a number moves in a time t, in units of its own: 1 - exp(-(t / RANGE)^POWER), t in
# frames; NUGGET is the variance of an error of a seen frame in the same units. UNKNOWN takes a frame out.
RANGE, POWER, NUGGET, UNKNOWN = 30.0, 1.45, 0.003, 1e4
# Square root of that unit, radians: recorded motion at 30 frames a second.
SILL = [0.39] * ANGLES + [0.74] * TURNS
# Units in which the network hears differences and says corrections, radians.
HEARD, SAID = [0.15] * ANGLES + [0.3] * TURNS, [0.2] * ANGLES + [0.3] * TURNS
# Modes of a correction and of the logarithm of a standard deviation over the gap.
MODES, SIGMA_MODES = 6, 2
INPUT = 2 * ANGLES + 2 * (CONTEXT - 1) * STATE + 2 * CONTEXT + TURNS + 2
WIDTH, BLOCKS = 256, 2
MOST_LOG = 2.0


def product(a, b):
    """Hamilton product of quaternions (w, x, y, z)."""
    w, v, s, u = a[..., :1], a[..., 1:], b[..., :1], b[..., 1:]
    return torch.cat([w * s - (v * u).sum(-1, keepdim=True), w * u + s * v + torch.cross(v, u, dim=-1)], -1)


def conjugate(q):
    return torch.cat([q[..., :1], -q[..., 1:]], -1)


def logarithm(q):
    """Rotation vectors [...,3] of unit quaternions, the shorter way round."""
    q = torch.where(q[..., :1] < 0, -q, q)
    sine = q[..., 1:].norm(dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sine, q[..., :1])
    return q[..., 1:] * torch.where(sine > 1e-6, angle / sine.clamp(min=1e-6), 2.0)


def exponential(vector):
    """Unit quaternions of rotation vectors."""
    angle = vector.norm(dim=-1, keepdim=True)
    return torch.cat([torch.cos(angle / 2), 0.5 * vector * torch.sinc(angle / (2 * math.pi))], -1)


def unrolled(root):
    """Rotation vectors [N,2C,3] in fixed axes whose differences are the turns from frame to frame of root [N,2C,4]; zero at
    the last frame before the gap."""
    steps = logarithm(product(root[:, 1:], conjugate(root[:, :-1])))
    way = F.pad(steps.cumsum(1), (0, 0, 1, 0))
    return way - way[:, CONTEXT - 1 : CONTEXT]


def kriging(known, length, step):
    """Weights [N,F,2C] of the frames around the gap in the frames `step` [N,F], and the variance [N,F] of what they say, in
    units of SILL squared."""
    reach = torch.arange(CONTEXT, dtype=torch.float64)
    at = torch.cat([reach.flip(0).neg().expand(len(length), -1), length[:, None] + reach], 1)

    def moves(times):
        return 1 - torch.exp(-((times.abs() / RANGE) ** POWER))

    count = 2 * CONTEXT
    system = torch.ones(len(length), count + 1, count + 1, dtype=torch.float64)
    system[:, count, count] = 0
    system[:, :count, :count] = -moves(at[:, :, None] - at[:, None])
    system[:, :count, :count] += torch.diag_embed(torch.where(known, NUGGET, UNKNOWN))
    right = torch.ones(len(length), count + 1, step.shape[1], dtype=torch.float64)
    right[:, :count] = -moves(at[:, :, None] - step[:, None])
    solved = torch.linalg.solve(system, right)
    variance = -(solved * right).sum(1)
    return solved[:, :count].transpose(1, 2).float(), variance.clamp(min=1e-4).float()


class MotionPrior(nn.Module):
    """Modes of the correction [N,MODES,24] and of its standard deviation's logarithm [N,SIGMA_MODES,24] for input
    [N,INPUT]."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(ANGLES))
        self.register_buffer("spread", torch.ones(ANGLES))
        self.embed = nn.Linear(INPUT, WIDTH)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(BLOCKS))
        self.wide = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(BLOCKS))
        self.back = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(BLOCKS))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, (MODES + SIGMA_MODES) * STATE)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):
        x = self.embed(x)
        for norm, wide, back in zip(self.norms, self.wide, self.back):
            x = x + back(F.gelu(wide(norm(x))))
        return self.head(self.norm(x)).unflatten(-1, (MODES + SIGMA_MODES, STATE)).split([MODES, SIGMA_MODES], 1)

    def hears(self, angles, root, known, length):
        """Input [N,INPUT] for the frames around gaps; all turns are in the hand's own axes."""
        ends = [CONTEXT - 1, CONTEXT]
        before, after = slice(0, CONTEXT - 1), slice(CONTEXT + 1, None)

        def from_end(end, others):
            turn = logarithm(product(conjugate(root[:, end : end + 1]), root[:, others]))
            away = torch.cat([angles[:, others] - angles[:, end : end + 1], turn], -1) / torch.tensor(HEARD)
            return (away.clamp(-10, 10) * known[:, others, None]).flatten(1)

        total = logarithm(product(conjugate(root[:, ends[0]]), root[:, ends[1]]))
        long = length[:, None].float()
        return torch.cat(
            [
                ((angles[:, ends] - self.mean) / self.spread).flatten(1),
                from_end(ends[0], before),
                from_end(ends[1], after),
                known.float(),
                total,
                long / 25,
                10 / long,
            ],
            1,
        )

    def says(self, angles, root, known, length, step):
        """Angles [N,F,21], root [N,F,4] and standard deviations [N,F,24] (the last three about the hand's own axes) in the
        frames `step` [N,F] after the last one seen; the rest as in `windows.Gaps`."""
        weights, variance = kriging(known, length, step)
        way = unrolled(root)
        part = (step / length[:, None])[..., None]
        there = weights @ way
        total = way[:, CONTEXT : CONTEXT + 1]
        start = root[:, CONTEXT - 1 : CONTEXT]
        circle = product(exponential(part * total), start)
        base = product(exponential(there - part * total), circle)
        modes, sigma_modes = self(self.hears(angles, root, known, length))
        waves = [torch.sin(k * math.pi * part) for k in range(1, MODES - 1)]
        correction = torch.cat([1 - part, part, *waves], -1) @ modes * torch.tensor(SAID)
        log = torch.cat([torch.ones_like(part), 4 * part * (1 - part)], -1) @ sigma_modes
        sigma = variance.sqrt()[..., None] * torch.tensor(SILL) * torch.exp(log.clamp(-MOST_LOG, MOST_LOG))
        return (
            weights @ angles + correction[..., :ANGLES],
            product(base, exponential(correction[..., ANGLES:])),
            sigma,
        )
