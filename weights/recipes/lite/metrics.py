"""Errors of hands in camera space, the definitions of src/metrics (millimetres)."""

import torch


def similarity(source, target):
    """The similarity that takes points [S,N,3] closest to others, as a function (Umeyama 1991)."""
    source_mean, target_mean = source.mean(1, keepdim=True), target.mean(1, keepdim=True)
    a, b = source - source_mean, target - target_mean
    u, spread, v = torch.linalg.svd(a.transpose(1, 2) @ b)
    sign = torch.ones_like(spread)
    sign[:, -1] = torch.det(u @ v).sign()
    turn = (u * sign[:, None]) @ v
    scale = ((spread * sign).sum(-1) / a.square().sum((1, 2)))[:, None, None]
    return lambda points: scale * ((points - source_mean) @ turn) + target_mean


def distance(a, b):
    """Mean distance in millimetres."""
    return float((a - b).norm(dim=-1).mean() * 1e3)


def errors(estimate, truth):
    """PA, RA, GA, FA (mm) and ACC (mm/frame^2) of joints [S,T,21,3]."""
    single, whole = (estimate.flatten(0, 1), truth.flatten(0, 1)), (estimate.flatten(1, 2), truth.flatten(1, 2))
    return dict(
        PA=distance(similarity(*single)(single[0]), single[1]),
        RA=distance(estimate - estimate[:, :, :1], truth - truth[:, :, :1]),
        GA=distance(similarity(*whole)(whole[0]), whole[1]),
        FA=distance(similarity(estimate[:, 0], truth[:, 0])(whole[0]), whole[1]),
        ACC=distance(estimate.diff(dim=1).diff(dim=1), truth.diff(dim=1).diff(dim=1)),
    )
