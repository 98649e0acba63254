"""How the finger joints bend: axes in the rest pose and limits."""

import numpy as np

from layout import FINGERS, THUMB, unit

PALM = np.array([0.0, -1.0, 0.0])

# Flexion axes of the thumb's three joints in the canonical frame. MakeHuman's rig does not tell; these
# directions were measured on the joint frames of the generic hand of @webxr-input-profiles/assets (MIT).
THUMB_FLEXION = np.array(
    [[0.6168966, -0.6977147, -0.3641878], [0.5610566, -0.8275031, -0.0213110], [0.4873104, -0.8571010, -0.1670523]]
)

# Degrees: flexion, abduction (+ toward the little finger), twist. Wide enough for a large set of recorded
# poses; joints that only flex have no other range.
FINGER_BASE = {1: [-20, 15], 4: [-12, 12], 7: [-15, 20], 10: [-12, 12]}


def flexion_axes(directions):
    """Unit axes, positive = toward the palm, perpendicular to the bones; zero for the wrist."""
    axes = np.zeros((16, 3))
    for finger, chain in enumerate(FINGERS):
        axes[chain] = THUMB_FLEXION if finger == THUMB else unit(np.cross(directions[chain], PALM))
    along = np.sum(axes[1:] * directions[1:], axis=1, keepdims=True)
    axes[1:] = unit(axes[1:] - along * directions[1:])
    return axes


def joint_limits():
    """Least and greatest flexion, abduction and twist of each joint in degrees, 16 x 3 x 2."""
    limits = np.zeros((16, 3, 2), np.float32)
    for base, abduction in FINGER_BASE.items():
        limits[base] = [[-15, 90], abduction, [-5, 5]]
        limits[base + 1][0] = [0, 110]
        limits[base + 2][0] = [-5, 80]
    limits[13] = [[-20, 40], [-20, 35], [-20, 20]]
    limits[14] = [[-10, 55], [-5, 5], [0, 0]]
    limits[15][0] = [-20, 80]
    return limits
