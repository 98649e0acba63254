"""AdamW for vectors and the outermost layers, Muon (momentum made orthogonal) for the matrices between."""

import torch

MOMENTUM = 0.95
# Newton-Schulz coefficients of Keller Jordan's Muon, and how often they are applied.
COEFFICIENTS, ROUNDS = (3.4445, -4.7750, 2.0315), 5


def orthogonal(matrices):
    """About the nearest semi-orthogonal matrices [N,rows,columns], singular values near one."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(ROUNDS):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    """Muon over matrices, those of one size together."""

    def __init__(self, parameters, lr, weight_decay):
        super().__init__(parameters, dict(lr=lr, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        """One step along the orthogonalised momentum."""
        for group in self.param_groups:
            sizes = {}
            for matrix in group["params"]:
                sizes.setdefault(matrix.shape, []).append(matrix)
            for shape, matrices in sizes.items():
                gradient = torch.stack([matrix.grad for matrix in matrices])
                state = self.state[matrices[0]]
                momentum = state.setdefault("momentum", torch.zeros_like(gradient))
                momentum.lerp_(gradient, 1 - MOMENTUM)
                update = orthogonal(gradient.lerp(momentum, MOMENTUM)) * max(1, shape[0] / shape[1]) ** 0.5
                for matrix, change in zip(matrices, update):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).add_(change, alpha=-group["lr"])


def optimisers(network, lr_muon, lr_adam, weight_decay):
    """Both optimisers for a network."""
    outer = ("embed.0", "context.0", "head.2")
    muon, adam = [], []
    for name, parameter in network.named_parameters():
        inner = name.endswith("weight") and parameter.ndim == 2 and not name.startswith(outer)
        (muon if inner else adam).append(parameter)
    return [
        Muon(muon, lr_muon, weight_decay),
        torch.optim.AdamW(adam, lr_adam, weight_decay=weight_decay, betas=(0.9, 0.98)),
    ]
