"""Rotations as matrices and rotation vectors, in numpy and on many at once."""

import numpy as np
from scipy.spatial.transform import Rotation


def matrix(vector):
    """Matrices [...,3,3] of rotation vectors [...,3]."""
    return Rotation.from_rotvec(vector.reshape(-1, 3)).as_matrix().reshape(*vector.shape[:-1], 3, 3)


def vector(matrix):
    """Rotation vectors [...,3] of matrices [...,3,3]."""
    return Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_rotvec().reshape(*matrix.shape[:-2], 3)


def from_quaternion(wxyz):
    """Matrices [...,3,3] of quaternions (w, x, y, z)."""
    turned = np.roll(wxyz.reshape(-1, 4), -1, axis=-1)
    return Rotation.from_quat(turned).as_matrix().reshape(*wxyz.shape[:-1], 3, 3)


def transposed(matrix):
    return np.swapaxes(matrix, -1, -2)
