"""Writes the prior's weights (f16) and a sample of what it says, for other implementations to be compared with.

    python export.py --checkpoint run/prior.pt --weights ../../motion_prior.safetensors \
        --sample ../../../tests/fixtures/motion_prior.safetensors
"""

import argparse
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from prior import ANGLES, CONTEXT, MotionPrior, exponential, kriging, product

METADATA = dict(
    name="motion_prior",
    licence="Apache-2.0 OR MIT",
    architecture="kriging and a network of 2 blocks, width 256; see weights/recipes/motion_prior",
    hand="open_hand_right.safetensors",
)
# Steps from the last seen frame to the next of the sample's gaps.
SAMPLE_LENGTHS = (2, 11, 21, 41, 51)


def load_weights(path):
    """The prior with the weights of a file, in single precision."""
    prior = MotionPrior()
    prior.load_state_dict({name: tensor.float() for name, tensor in load_file(str(path)).items()})
    return prior.eval()


def moving(count, generator):
    """Hands that move smoothly, no anatomy: angles [count,21], root [count,4]."""
    time = torch.arange(count)[:, None] / 30
    phase = 6 * torch.rand(ANGLES + 3, generator=generator)
    pace = 2 + 4 * torch.rand(ANGLES + 3, generator=generator)
    waves = torch.sin(time * pace + phase)
    tilt = exponential(torch.tensor([[0.4, -1.9, 0.8]]))
    return 0.4 + 0.35 * waves[:, :ANGLES], F.normalize(product(exponential(0.6 * waves[:, ANGLES:]), tilt), dim=-1)


@torch.no_grad()
def sample_of(prior):
    """Motions with one gap each and what the prior says of every frame in it."""
    generator = torch.Generator().manual_seed(5)
    tensors = {}
    for length in SAMPLE_LENGTHS:
        angles, root = moving(2 * CONTEXT + length - 1, generator)
        around = torch.cat([torch.arange(CONTEXT), torch.arange(CONTEXT) + CONTEXT + length - 1])
        step = torch.arange(1, length)[None]
        known = torch.ones(1, 2 * CONTEXT, dtype=torch.bool)
        said = prior.says(angles[None, around], root[None, around], known, torch.tensor([length]), step)
        weights, variance = kriging(known, torch.tensor([length]), step)
        names = ("out.angles", "out.root", "out.sigma", "act.weights", "act.variance")
        parts = dict(zip(names, (*said, weights, variance))) | {"in.angles": angles[None], "in.root": root[None]}
        tensors |= {f"gap{length}.{name}": value[0].contiguous() for name, value in parts.items()}
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=pathlib.Path, help="what train.py wrote; none = random weights")
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--sample", type=pathlib.Path, required=True)
    options = parser.parse_args()
    torch.manual_seed(0)
    prior = MotionPrior()
    if options.checkpoint:
        prior.load_state_dict(torch.load(options.checkpoint, weights_only=True))
    save_file(
        {name: tensor.half().contiguous() for name, tensor in prior.state_dict().items()},
        str(options.weights),
        metadata=METADATA,
    )
    meaning = "moving hands at 30 frames a second, and what the prior says of gaps in them (quaternions w x y z)"
    save_file(sample_of(load_weights(options.weights)), str(options.sample), metadata=dict(meaning=meaning))


if __name__ == "__main__":
    main()
