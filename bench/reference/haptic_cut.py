"""Cuts the small variant in tests/fixtures/haptic out of a whole one.

    python bench/reference/haptic_cut.py VARIANT tests/fixtures/haptic

VARIANT holds the released modules' numbers for random weights. What is left: HaPTIC's weights without the hand
model, its clip of three frames as features, one picture; HaMeR's decoder and two frames of features.
"""

import json
import sys
from pathlib import Path

from safetensors.numpy import load_file, save_file

source, target = map(Path, sys.argv[1:])
target.mkdir(parents=True, exist_ok=True)
FRAMES = 3


def write(name, tensors):
    save_file({key: value.copy() for key, value in tensors.items()}, target / f"{name}.safetensors")


def steps(tensors):
    """Decoder, heads and outputs but for meshes."""
    return {
        key: value
        for key, value in tensors.items()
        if key.startswith(("dec.", "head.", "out.", "in.frame")) and "vertices" not in key
    }


config = json.loads((source / "config.json").read_text())
(target / "config.json").write_text(json.dumps(config, indent=1) + "\n")

weights = load_file(source / "haptic_weights.safetensors")
write("haptic_weights", {k: v for k, v in weights.items() if k.startswith(("backbone.", "mano_head."))})
weights = load_file(source / "hamer_weights.safetensors")
write("hamer_weights", {k: v for k, v in weights.items() if k.startswith("mano_head.")})

features = load_file(source / "haptic_m8.safetensors")
case = steps(load_file(source / "haptic_m3.safetensors"))
for picture in ("crop", "full"):
    case[f"vit.{picture}.features"] = features[f"vit.{picture}.features"][:FRAMES]
# The columns of the first crop that the backbone reads.
case["in.crop_u8"] = load_file(source / "haptic_inputs.safetensors")["img_u8"][:1, :, :, 32:224]
write("haptic_m3", case)

hamer = load_file(source / "hamer_forward.safetensors")
write("hamer_forward", steps(hamer) | {"vit.crop.features": hamer["vit.crop.features"]})
