"""The networks that fit_experience.py fits beside its trees: a sample seen beside all others of its data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labelaudit.auditing.clues import OF_SAMPLES
from labelaudit.auditing.set_networks import BOUND, MOST_ATTENTION, SetNetworks

NETWORKS = 4
EPOCHS = 25
BATCH = 16  # histories
KEPT = 1200  # samples of a history that are drawn from
DRAWN = 400  # of them in a step
WIDTH = 64
HEADS = 4
CODE = 48
DROPOUT = 0.2
NOISE = 0.1  # on the columns of the data set, in deviations
S = len(OF_SAMPLES)


class SetNetwork(nn.Module):
    """One network, as `SetNetworks` describes it, of D columns of the data set."""

    def __init__(self, n_of_set: int) -> None:
        super().__init__()
        self.encode = nn.Linear(S, WIDTH)
        self.encode_more = nn.Linear(WIDTH, WIDTH)
        self.attend = nn.Linear(WIDTH, HEADS, bias=False)
        self.pool = nn.Linear(WIDTH * (HEADS + 1) + n_of_set, 2 * WIDTH)
        self.pool_more = nn.Linear(2 * WIDTH, CODE)
        self.judge = nn.Linear(S + CODE, WIDTH)
        self.judge_more = nn.Linear(WIDTH, WIDTH)
        self.answer = nn.Linear(WIDTH, 1)

    def forward(self, of_samples: Tensor, of_set: Tensor) -> Tensor:
        """Return log odds, (B, n), of B sets of n samples: of_samples (B, n, S), of_set (B, D)."""
        codes = F.relu(self.encode_more(F.relu(self.encode(of_samples))))
        drawn = self.attend(codes).clamp(-MOST_ATTENTION, MOST_ATTENTION).exp()
        drawn = torch.cat([torch.ones_like(drawn[..., :1]), drawn], dim=2)
        pools = torch.einsum("bna,bnh->bah", drawn / drawn.sum(dim=1, keepdim=True), codes).flatten(1)
        code = F.dropout(F.relu(self.pool(torch.cat([pools, of_set], dim=1))), DROPOUT, self.training)
        code = F.dropout(F.relu(self.pool_more(code)), DROPOUT / 2, self.training)
        known = torch.cat([of_samples, code[:, None].expand(-1, of_samples.shape[1], -1)], dim=2)
        said: Tensor = self.answer(F.relu(self.judge_more(F.relu(self.judge(known)))))
        return said[..., 0]


def fit(columns: Sequence[np.ndarray], wrong: Sequence[np.ndarray], weight: np.ndarray) -> SetNetworks:
    """Fit the networks on histories: columns (n, S + D) and which labels are wrong (n,) of each, and its weight."""
    rng = np.random.default_rng(0)
    rows = [rng.permutation(len(y))[:KEPT] for y in wrong]
    some = np.concatenate([x[r[:100]] for x, r in zip(columns, rows, strict=True)])
    mean, deviation = some.mean(axis=0), some.std(axis=0) + 1e-3
    of_samples = torch.zeros(len(rows), KEPT, S)
    of_set = torch.zeros(len(rows), len(mean) - S)
    truth = torch.zeros(len(rows), KEPT)
    for i, (x, y, r) in enumerate(zip(columns, wrong, rows, strict=True)):
        scaled = torch.from_numpy(((x[r] - mean) / deviation).clip(-BOUND, BOUND).astype(np.float32))
        of_samples[i, : len(r)], of_set[i] = scaled[:, :S], scaled[0, S:]
        truth[i, : len(r)] = torch.from_numpy(y[r].astype(np.float32))
    sizes = torch.tensor([len(r) for r in rows])
    weights = torch.from_numpy(weight.astype(np.float32))
    found = [_fit_one(seed, of_samples, of_set, truth, sizes, weights) for seed in range(NETWORKS)]
    return as_numbers(found, mean, deviation)


def _fit_one(
    seed: int, of_samples: Tensor, of_set: Tensor, truth: Tensor, sizes: Tensor, weights: Tensor
) -> SetNetwork:
    """Fit one network; every step draws some samples of each of its histories."""
    torch.manual_seed(seed)
    network = SetNetwork(of_set.shape[1])
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    steps = -(-len(sizes) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, EPOCHS * steps)
    for _ in range(EPOCHS):
        for of_step in torch.randperm(len(sizes)).split(BATCH):
            rows = (torch.rand(len(of_step), DRAWN) * sizes[of_step, None]).long()
            here = of_step[:, None]
            shaken = of_set[of_step] + NOISE * torch.randn(len(of_step), of_set.shape[1])
            said = network(of_samples[here, rows], shaken)
            loss = F.binary_cross_entropy_with_logits(said, truth[here, rows], reduction="none").mean(dim=1)
            optimizer.zero_grad()
            ((loss * weights[of_step]).sum() / weights[of_step].sum()).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network.eval()


def as_numbers(networks: Sequence[SetNetwork], mean: np.ndarray, deviation: np.ndarray) -> SetNetworks:
    """Return fitted networks as plain arrays."""

    def stacked(name: str) -> np.ndarray:
        layers = [getattr(network, name) for network in networks]
        rows = [[layer.weight.T, *([] if layer.bias is None else [layer.bias[None]])] for layer in layers]
        return np.stack([torch.cat(parts).detach().numpy() for parts in rows])

    names = ("encode", "encode_more", "attend", "pool", "pool_more", "judge", "judge_more", "answer")
    scales = {"mean": mean.astype(np.float32), "deviation": deviation.astype(np.float32)}
    return SetNetworks(**scales, **{name: stacked(name) for name in names})
