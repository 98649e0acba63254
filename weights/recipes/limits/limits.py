"""Biomechanical limits of a right hand, measured on the open hand in recorded poses.

    python limits.py MOTION_FOLDER   writes ../../hand_limits.json and prints how well it holds

MOTION_FOLDER has `leap_recordings.safetensors` and `quest_poses.safetensors` (weights/lite_haptic.md says where
they come from). Bends come from the Quest poses and from the Leap recordings that are not held out; lengths and the
palm, which no pose changes, from random shapes. Seeded: the same file every time.
"""

import json
import pathlib
import sys

import numpy as np
from safetensors import safe_open
from scipy.spatial import ConvexHull

from hand import DEGREE, WEIGHTS, OpenHand, measures

# Recordings that only measure the result.
HELD_OUT = ("HandSplay", "flapping", "grab", "rollAndPitch", "three-claps")
SHAPES = 20000
# Shapes that each recorded pose is given, and the greatest coefficient: beyond it no real hand is.
SHAPES_PER_POSE, GREATEST = 8, 3.0
# Room around what was seen: recordings are few, retargeting has errors, and other hand models put their joints
# elsewhere. In units of the hand, per such unit, radians.
LENGTH_ROOM, CURVATURE_ROOM, SPREAD_ROOM, BEND_ROOM = 0.04, 0.15, 3 * DEGREE, 6 * DEGREE
# Part of the area that a simpler polygon may lose.
AREA_LOSS = 0.01


def recordings(folder, held_out):
    """Free angles [N,21] of the Leap recordings that are (not) held out."""
    with safe_open(str(folder / "leap_recordings.safetensors"), "np") as file:
        names = [number for number, name in sorted(file.metadata().items()) if name.startswith(HELD_OUT) == held_out]
        return np.concatenate([file.get_tensor(f"{number}.dof") for number in names]).astype(float)


def poses(folder):
    with safe_open(str(folder / "quest_poses.safetensors"), "np") as file:
        return np.concatenate([file.get_tensor("dof").astype(float), recordings(folder, False)])


def hull(points):
    """Counter-clockwise corners around points [N,2], with room, as few as lose little of the area."""
    circle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    corners = points[ConvexHull(points).vertices]
    wider = (corners[:, None] + BEND_ROOM * np.stack([np.cos(circle), np.sin(circle)], -1)).reshape(-1, 2)
    wider = ConvexHull(wider)
    corners, least = wider.points[wider.vertices], (1 - AREA_LOSS) * wider.volume
    while len(corners) > 5:
        without = [np.delete(corners, i, 0) for i in range(len(corners))]
        areas = [area(polygon) for polygon in without]
        if max(areas) < least:
            break
        corners = without[int(np.argmax(areas))]
    return corners


def area(polygon):
    x, y = polygon.T
    return 0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)


def inside(corners, points):
    edges = np.roll(corners, -1, 0) - corners
    off = points[:, None] - corners
    return np.all(edges[:, 0] * off[..., 1] - edges[:, 1] * off[..., 0] >= 0, axis=1)


def ranges(values, room):
    """Least and greatest of each column, with room."""
    return np.round(np.stack([values.min(0) - room, values.max(0) + room], -1), 4).tolist()


def main(folder):
    generator, hand = np.random.default_rng(5), OpenHand()

    def shapes(count):
        return np.clip(generator.standard_normal((count, 10)), -GREATEST, GREATEST)

    lengths, curvatures, spreads, _ = measures(hand.joints(np.zeros((SHAPES, 21)), shapes(SHAPES)))
    known = np.repeat(poses(folder), SHAPES_PER_POSE, 0)
    bends = measures(hand.joints(known, shapes(len(known))))[3]
    hulls = [np.round(hull(bends[:, i]), 4) for i in range(15)]
    limits = {
        "unit": "wrist to middle knuckle; radians",
        "bone_lengths": ranges(lengths, LENGTH_ROOM),
        "curvatures": ranges(curvatures, CURVATURE_ROOM),
        "spreads": ranges(spreads, SPREAD_ROOM),
        "hulls": [corners.tolist() for corners in hulls],
    }
    lines = ",\n".join(f'  "{name}": {json.dumps(value)}' for name, value in limits.items())
    (WEIGHTS / "hand_limits.json").write_text(f"{{\n{lines}\n}}\n")

    unseen = recordings(folder, True)
    bends = measures(hand.joints(unseen, shapes(len(unseen))))[3]
    free = [inside(corners, bends[:, i]).mean() for i, corners in enumerate(hulls)]
    print(f"{len(known) // SHAPES_PER_POSE} poses; corners {[len(corners) for corners in hulls]}")
    print(f"held-out frames inside: mean {np.mean(free):.4f}, least {min(free):.4f} (hull {int(np.argmin(free))})")
    reach = measures(hand.joints(generator.uniform(-0.35, 1.9, (20000, 21)), shapes(20000)))[3]
    print(f"of random bends inside: {np.mean([inside(c, reach[:, i]).mean() for i, c in enumerate(hulls)]):.3f}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
