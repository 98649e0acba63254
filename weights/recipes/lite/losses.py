"""Training losses: HaPTIC's set (pose, shape, joints, reprojection, trajectory) on camera-space hands."""

import torch

# Weights of the terms; lengths in metres.
JOINTS, ROTATIONS, ROOT, SHAPE = 20.0, 1.0, 0.5, 0.02
REPROJECTION, LOG_DEPTH, ROOT_RAY = 3.0, 1.0, 1.0
TRAJECTORY, DEPTH_CHANGE, DEPTH_STEP, ACCELERATION = 10.0, 10.0, 20.0, 4.0
# A key point or root ray that is a whole box away counts no more than this, in boxes.
FARTHEST = 1.0


def lifted(ray, depth):
    """Points at `depth` on rays (x/z, y/z)."""
    return torch.cat([ray * depth[..., None], depth[..., None]], -1)


def projected(points):
    """Normalised camera coordinates of points."""
    return points[..., :2] / points[..., 2:].clamp(min=0.05)


def l1(a, b):
    """Sum of absolute differences of the last axis, mean over the axes after the first two."""
    return (a - b).abs().sum(-1).flatten(2).mean(-1)


def losses(says, joints, truth, side):
    """All terms by name, each already weighted; `joints` [B,T,21,3]: those of the estimate, wrist at 0."""
    keep = truth.usable.float()[:, None] / truth.usable.float().mean()

    def mean(per_frame):
        return (per_frame * keep).mean()

    camera, wrist = truth.camera_joints(), truth.wrist
    turned = (says.rotations - truth.rotations).square().sum((-1, -2))
    root = lifted(says.root_ray, says.weak_depth)
    size = side[..., None, None]
    miss = ((projected(joints + root[:, :, None]) - projected(camera)) / size).abs().sum(-1).clamp(max=FARTHEST)
    ray_miss = ((says.root_ray - projected(wrist)).abs().sum(-1) / side).clamp(max=FARTHEST)
    terms = dict(
        joints=JOINTS * mean(l1(joints, truth.joints)),
        rotations=mean(ROTATIONS * turned.mean(-1) + ROOT * turned[..., 0]),
        shape=SHAPE * mean((says.betas - truth.betas).square().mean(-1, keepdim=True)),
        reprojection=REPROJECTION * mean(miss.mean(-1)),
        log_depth=LOG_DEPTH * mean((torch.log(says.weak_depth) - torch.log(wrist[..., 2].clamp(min=0.05))).abs()),
        root_ray=ROOT_RAY * mean(ray_miss),
    )
    if joints.shape[1] > 1:
        change = wrist[..., 2] - wrist[:, :1, 2]
        moving = joints + lifted(says.root_ray, wrist[:, :1, 2] + says.depth_change)[:, :, None]
        terms["trajectory"] = TRAJECTORY * mean(l1(moving, camera))
        terms["depth_change"] = DEPTH_CHANGE * mean((says.depth_change - change).abs())
        step = (says.depth_change - change).diff(dim=1).abs()
        terms["depth_step"] = DEPTH_STEP * (step * keep).mean()
    if joints.shape[1] > 2:
        acceleration = (moving - camera).diff(dim=1).diff(dim=1)
        terms["acceleration"] = ACCELERATION * (acceleration.abs().sum(-1).mean(-1) * keep).mean()
    return terms
