"""Writes the network's weights (f16) and the sample that other implementations are compared with.

    python export.py --checkpoint run/lite.pt --weights ../../lite_haptic.safetensors \
        --sample ../../../tests/fixtures/lite_sample.safetensors
"""

import argparse
import pathlib

import torch
from safetensors.torch import load_file, save_file

from network import Lite, decode
from tokens import Observation, tokens_of

METADATA = dict(
    name="lite_haptic",
    licence="Apache-2.0 OR MIT",
    architecture="window 8, width 128, 4 heads, 4 blocks; see weights/recipes/lite",
    hand="open_hand_right.safetensors",
    keypoints="openpose21, right hand",
    rotations="6D, mano16",
)


def save_weights(network, path):
    """The weights in half precision."""
    tensors = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    save_file(tensors, str(path), metadata=METADATA)


def load_weights(path):
    """A network with the weights of a file, in single precision."""
    network = Lite()
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(str(path)).items()})
    return network.eval()


def sample_window(length, generator):
    """One window of seeded random numbers of the right sizes: a flat hand that moves, no anatomy."""
    def noise(*size):
        return torch.randn(*size, generator=generator)

    shape = noise(21, 3) * 0.05
    still = shape + 0.004 * noise(1, length, 21, 3)
    place = torch.tensor([0.1, -0.05, 0.5]) + 0.02 * noise(1, length, 3).cumsum(1)
    points = still + place[:, :, None]
    conf = (0.7 + 0.2 * noise(1, length, 21)).clamp(0.05, 1)
    if length > 1:
        conf[0, 0, 7] = 0
    present = (torch.arange(length) % 3 != 1).float()[None]
    other = torch.cat([present[..., None], noise(1, length, 4) * 0.2 * present[..., None]], -1)
    age = torch.flip(torch.arange(length) * 0.034, [0])[None] + 0.033 * (torch.arange(length) == 0)[None]
    return Observation(
        rays=points[..., :2] / points[..., 2:],
        conf=conf,
        landmarks=still + 0.003 * noise(1, length, 21, 3),
        has_landmarks=(torch.arange(length) % 4 != 2).float()[None],
        age=age if length > 1 else torch.zeros(1, 1),
        other=other,
        half_fov=torch.tensor([[0.6, 0.34]]),
    )


@torch.no_grad()
def sample_of(network):
    """Inputs, the first layers' activations and all outputs for windows of 8, 5 and 1 frames."""
    generator = torch.Generator().manual_seed(8)
    tensors = {}
    for length in (8, 5, 1):
        seen = sample_window(length, generator)
        tokens, context, centre, side = tokens_of(seen)
        raw = network(tokens, context)
        says = decode(raw, centre, side)
        window = {f"in.{name}": value for name, value in vars(seen).items()}
        window |= dict(tokens=tokens, context=context, box_centre=centre, box_side=side)
        window["act.embed_0"] = network.embed[0](tokens)
        window["act.embedded"] = network.embedded(tokens)
        window["act.surroundings"] = network.surroundings(context)
        window["out.raw"] = raw
        window |= {f"out.{name}": value for name, value in vars(says).items()}
        tensors |= {f"window{length}.{name}": value[0].contiguous() for name, value in window.items()}
    return tensors


def main():
    """Writes both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=pathlib.Path, help="what train.py wrote; none = random weights")
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--sample", type=pathlib.Path, required=True)
    options = parser.parse_args()
    torch.manual_seed(0)
    network = Lite()
    if options.checkpoint:
        network.load_state_dict(torch.load(options.checkpoint, weights_only=True)["average"])
    save_weights(network, options.weights)
    meaning = "seeded random inputs and what the network makes of them in f32 from the f16 weights; see README.md"
    save_file(sample_of(load_weights(options.weights)), str(options.sample), metadata=dict(meaning=meaning))


if __name__ == "__main__":
    main()
