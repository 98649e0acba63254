"""Makes a true and an estimated camera path and records the errors that evo gives: tests/fixtures/trajectory.safetensors.

Usage: evo_values.py [OUT_FILE]      (needs: pip install evo numpy safetensors)

The estimate has another frame and scale, noise, a scale that drifts, and gaps.
"""

import copy
import sys

import numpy as np
from evo.core import geometry, lie_algebra, metrics, sync
from evo.core.trajectory import PoseTrajectory3D
from evo.core.units import Unit
from safetensors.numpy import save_file

POSES, RATE, STRETCHES = 150, 20.0, 5


def quaternions(rotation_vectors):
    angle = np.linalg.norm(rotation_vectors, axis=1, keepdims=True)
    axis = rotation_vectors / np.where(angle == 0.0, 1.0, angle)
    return np.hstack([np.cos(angle / 2), np.sin(angle / 2) * axis])


def paths(rng):
    t = np.arange(POSES) / RATE
    position = np.stack([1.5 * np.sin(0.5 * t), 0.3 * np.sin(1.3 * t), t * 0.4 + 0.2 * np.cos(t)], axis=1)
    turn = np.stack([0.2 * np.sin(t), 0.7 * np.sin(0.4 * t) + 0.1, 0.1 * np.cos(1.1 * t)], axis=1)
    truth = PoseTrajectory3D(position, quaternions(turn), t)
    kept = np.array([k for k in range(POSES) if not (40 <= k < 47 or k % 17 == 5)])
    drift = np.linspace(1.0, 1.12, POSES)[:, None]
    moved = 0.37 * np.cumsum(np.vstack([position[:1], np.diff(position, axis=0) * drift[1:]]), axis=0)
    moved += rng.normal(0.0, 0.004, moved.shape)
    noisy = turn + rng.normal(0.0, 0.01, turn.shape)
    stamps = t + rng.uniform(-0.004, 0.004, POSES)
    estimate = PoseTrajectory3D(moved[kept], quaternions(noisy)[kept], stamps[kept])
    pose = lie_algebra.se3(lie_algebra.so3_exp(np.array([0.4, -0.9, 0.2])), np.array([2.0, -1.0, 0.5]))
    estimate.transform(pose)
    return truth, estimate


def rmse(metric, truth, estimate):
    metric.process_data((truth, estimate))
    return metric.get_statistic(metrics.StatisticsType.rmse)


def rows(path):
    w, xyz = path.orientations_quat_wxyz[:, :1], path.orientations_quat_wxyz[:, 1:]
    return np.hstack([path.timestamps[:, None], path.positions_xyz, xyz, w])


def main():
    truth, estimate = paths(np.random.default_rng(5))
    out = {"truth": rows(truth), "estimate": rows(estimate), "truth_length": truth.path_length}
    matched_truth, matched = sync.associate_trajectories(truth, estimate, max_diff=0.01)
    out["matched"] = matched.num_poses
    relation = metrics.PoseRelation
    for name, scaled in (("sim3", True), ("se3", False)):
        aligned = copy.deepcopy(matched)
        _, _, scale = aligned.align(matched_truth, correct_scale=scaled)
        out[f"{name}.scale"] = scale
        out[f"{name}.ate"] = rmse(metrics.APE(relation.translation_part), matched_truth, aligned)
        out[f"{name}.ate_degrees"] = rmse(metrics.APE(relation.rotation_angle_deg), matched_truth, aligned)
        for step, delta, unit in (("1_pose", 1, Unit.frames), ("5_poses", 5, Unit.frames), ("1_metre", 1.0, Unit.meters)):
            for what, of in (("rpe", relation.translation_part), ("rpe_degrees", relation.rotation_angle_deg)):
                error = metrics.RPE(of, delta, unit, all_pairs=True, pairs_from_reference=True)
                out[f"{name}.{what}.{step}"] = rmse(error, matched_truth, aligned)
    along = geometry.accumulated_distances(matched_truth.positions_xyz)
    scales = []
    for part in range(STRETCHES):
        first, last = (np.searchsorted(along, along[-1] * k / STRETCHES) for k in (part, part + 1))
        stretch = slice(first, min(last, matched.num_poses - 1) + 1)
        scales.append(geometry.umeyama_alignment(matched.positions_xyz[stretch].T, matched_truth.positions_xyz[stretch].T, True)[2])
    out["stretch_scales"] = np.array(scales) / out["sim3.scale"]
    arrays = {name: np.atleast_1d(np.asarray(value, dtype=np.float64)) for name, value in out.items()}
    save_file(arrays, sys.argv[1] if len(sys.argv) > 1 else "tests/fixtures/trajectory.safetensors")
    for name, value in arrays.items():
        if value.size < 10:
            print(name, value)


main()
