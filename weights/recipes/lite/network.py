"""The lite window transformer: HaPTIC's window decoder in small, on key points instead of pictures.

Every frame of a window is a token; blocks of cross-view attention (over the window, with a frame code),
cross-attention to per-frame context and a feed-forward layer; one head per token.
"""

from dataclasses import dataclass

import torch
from torch import nn

from hand import rotation_from_6d
from tokens import CONTEXT, TOKEN

WINDOW = 8
WIDTH, HEADS, BLOCKS, HIDDEN = 128, 4, 4, 384
OUTPUTS = 96 + 10 + 1 + 2 + 1
# Depth of a hand whose box is one wide and whose scale output is zero, metres.
REFERENCE_SIZE = 0.14


class Attention(nn.Module):
    """Multi-head attention from `x` to `source`."""

    def __init__(self):
        super().__init__()
        self.q, self.kv, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x, source):
        def split(y):
            return y.unflatten(-1, (HEADS, -1)).transpose(1, 2)

        key, value = self.kv(source).chunk(2, -1)
        scores = split(self.q(x)) @ split(key).transpose(-1, -2) * (WIDTH // HEADS) ** -0.5
        mixed = torch.softmax(scores, -1) @ split(value)
        return self.out(mixed.transpose(1, 2).flatten(2))


def two_layers(inputs, outputs, hidden=HIDDEN):
    """Linear, GELU, Linear."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))


class Block(nn.Module):
    """Cross-view attention, cross-attention to the context, feed-forward."""

    def __init__(self):
        super().__init__()
        self.norm_view, self.view = nn.LayerNorm(WIDTH), Attention()
        self.norm_global = nn.LayerNorm(WIDTH)
        self.add_module("global", Attention())
        self.norm_feed, self.feed = nn.LayerNorm(WIDTH), two_layers(WIDTH, WIDTH)

    def forward(self, x, context, code):
        y = self.norm_view(x) + code
        x = x + self.view(y, y)
        x = x + getattr(self, "global")(self.norm_global(x), context)
        return x + self.feed(self.norm_feed(x))


class EmbedResidual(nn.Sequential):
    """The embedding's second part; Linear, GELU, Linear behind a LayerNorm."""

    def __init__(self):
        super().__init__(nn.Linear(WIDTH, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, WIDTH))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x):
        x = self.norm(x)
        for name in ("0", "1", "2"):
            x = self._modules[name](x)
        return x


class Lite(nn.Module):
    """Raw outputs [B,T,110] for token input [B,T,134] and context input [B,T,14], T from 1 to 8."""

    def __init__(self):
        super().__init__()
        self.embed, self.embed_residual = two_layers(TOKEN, WIDTH), EmbedResidual()
        self.context = two_layers(CONTEXT, WIDTH, WIDTH)
        self.context_code = nn.Parameter(torch.randn(WINDOW, WIDTH) * 0.02)
        self.frame_code = nn.Parameter(torch.randn(WINDOW, WIDTH) * 0.02)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.norm, self.head = nn.LayerNorm(WIDTH), two_layers(WIDTH, OUTPUTS)

    def embedded(self, tokens):
        """Per-frame tokens [B,T,128], independent of the window."""
        x = self.embed(tokens)
        return x + self.embed_residual(x)

    def surroundings(self, context):
        """Context tokens [B,T,128]; the newest frame has the last code."""
        return self.context(context) + self.context_code[-context.shape[1] :]

    def forward(self, tokens, context):
        x, around = self.embedded(tokens), self.surroundings(context)
        code = self.frame_code[-tokens.shape[1] :]
        for block in self.blocks:
            x = block(x, around, code)
        return self.head(self.norm(x))


@dataclass
class Estimate:
    """What the network says of B windows of T frames, camera axes, metres.

    rotations [B,T,16,3,3]; betas [B,10]; root_ray [B,T,2]; weak_depth [B,T]: depth by weak2full;
    depth_change [B,T]: since the window's first frame.
    """

    rotations: torch.Tensor
    betas: torch.Tensor
    root_ray: torch.Tensor
    weak_depth: torch.Tensor
    depth_change: torch.Tensor


def decode(raw, centre, side):
    """The estimate in raw outputs [B,T,110] for box centres [B,T,2] and sides [B,T]."""
    rotations = rotation_from_6d(raw[..., :96].unflatten(-1, (16, 6)))
    scale, offset, change = raw[..., 106], raw[..., 107:109], raw[..., 109]
    return Estimate(
        rotations=rotations,
        betas=raw[..., 96:106].mean(1),
        root_ray=centre + 0.2 * offset * side[..., None],
        weak_depth=REFERENCE_SIZE / (side * torch.exp(0.5 * scale)),
        depth_change=0.1 * (change - change[:, :1]),
    )
