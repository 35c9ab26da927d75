"""The networks that fit_experience.py fits beside its trees: a sample seen beside all others of its data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labelaudit.auditing.class_pools import FEW, MIDDLE, RAREST
from labelaudit.auditing.clues import OF_SAMPLES
from labelaudit.auditing.set_networks import BOUND, MOST_ATTENTION, SetNetworks

EPOCHS = 25
BATCH = 16  # histories
KEPT = 1200  # samples of a history that are drawn from
DRAWN = (200, 800)  # of them in a step, at least and at most
WIDTH = 64
HEADS = 4
CODE = 48
BRIEF = 32
CLASS_CODE = 24
DROPOUT = 0.2
WITHOUT_CLASSES = (0.0, 0.25)  # of the histories in a step, of every other network: not all is left to these pools
NOISE = 0.1  # on the columns of the data set, in deviations
S = len(OF_SAMPLES)


@dataclass(frozen=True)
class Known:
    """A history of n samples: columns (n, S + D), given and best other classes (n,), which labels are wrong (n,)."""

    columns: np.ndarray
    given: np.ndarray
    other: np.ndarray
    wrong: np.ndarray


@dataclass(frozen=True)
class Batch:
    """B histories of up to n samples: of_samples (B, n, S), of_set (B, D), the rest (B, n).

    ``real`` is one where there is a sample, else zero.
    """

    of_samples: Tensor
    of_set: Tensor
    given: Tensor
    other: Tensor
    real: Tensor


class SetNetwork(nn.Module):
    """One network, as `SetNetworks` describes it, of D columns of the data set.

    While it is fitted, a share of the histories (``without_classes``) is judged without the pools of classes and pairs.
    """

    def __init__(self, n_of_set: int, without_classes: float) -> None:
        super().__init__()
        self.without_classes = without_classes
        self.encode = nn.Linear(S, WIDTH)
        self.encode_more = nn.Linear(WIDTH, WIDTH)
        self.attend = nn.Linear(WIDTH, HEADS, bias=False)
        self.pool = nn.Linear(WIDTH * (HEADS + 1) + n_of_set, 2 * WIDTH)
        self.pool_more = nn.Linear(2 * WIDTH, CODE)
        self.brief = nn.Linear(WIDTH, BRIEF)
        self.of_class = nn.Linear(2 * BRIEF + 2, WIDTH)
        self.of_class_more = nn.Linear(WIDTH, CLASS_CODE)
        self.of_pair = nn.Linear(2 * BRIEF + 2, WIDTH)
        self.of_pair_more = nn.Linear(WIDTH, CLASS_CODE)
        self.judge = nn.Linear(S + CODE + 3 * CLASS_CODE, WIDTH)
        self.judge_more = nn.Linear(WIDTH, WIDTH)
        self.answer = nn.Linear(WIDTH, 1)

    def forward(self, batch: Batch) -> Tensor:
        """Return log odds, (B, n)."""
        codes = F.relu(self.encode_more(F.relu(self.encode(batch.of_samples))))
        drawn = self.attend(codes).clamp(-MOST_ATTENTION, MOST_ATTENTION).exp()
        drawn = torch.cat([torch.ones_like(drawn[..., :1]), drawn], dim=2) * batch.real[..., None]
        pools = torch.einsum("bna,bnh->bah", drawn / drawn.sum(dim=1, keepdim=True), codes).flatten(1)
        code = F.dropout(F.relu(self.pool(torch.cat([pools, batch.of_set], dim=1))), DROPOUT, self.training)
        code = F.dropout(F.relu(self.pool_more(code)), DROPOUT / 2, self.training)
        brief = self.brief(codes)
        of_classes = torch.cat([*self._of_classes(brief, batch), self._of_pairs(brief, batch)], dim=2)
        if self.training:
            of_classes = of_classes * (torch.rand(len(brief), 1, 1) >= self.without_classes)
        known = [batch.of_samples, code[:, None].expand(-1, codes.shape[1], -1), of_classes]
        said: Tensor = self.answer(F.relu(self.judge_more(F.relu(self.judge(torch.cat(known, dim=2))))))
        return said[..., 0]

    def _of_classes(self, brief: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the codes of the given labels and of the best other classes, (B, n, C) each."""
        n_sets, n_classes = len(brief), int(torch.maximum(batch.given.max(), batch.other.max())) + 1
        sets = torch.arange(n_sets)[:, None]
        every = torch.arange(n_sets * n_classes)
        pools = [
            Pools(brief, batch.real, sets * n_classes + of).at(every, every // n_classes)
            for of in (batch.given, batch.other)
        ]
        of_class = F.dropout(F.relu(self.of_class(torch.cat(pools, dim=1))), DROPOUT, self.training)
        of_class = F.relu(self.of_class_more(of_class))
        return of_class[sets * n_classes + batch.given], of_class[sets * n_classes + batch.other]

    def _of_pairs(self, brief: Tensor, batch: Batch) -> Tensor:
        """Return the codes of the pairs of given label and best other class, (B, n, C)."""
        n_classes = int(torch.maximum(batch.given.max(), batch.other.max())) + 1
        sets = torch.arange(len(brief))[:, None]
        pools = Pools(brief, batch.real, (sets * n_classes + batch.given) * n_classes + batch.other)
        of_set, of_given = pools.keys // n_classes**2, pools.keys // n_classes % n_classes
        turned = (of_set * n_classes + pools.keys % n_classes) * n_classes + of_given
        both = torch.cat([pools.at(pools.keys, of_set), pools.at(turned, of_set)], dim=1)
        of_pair = F.dropout(F.relu(self.of_pair(both)), DROPOUT, self.training)
        return F.relu(self.of_pair_more(of_pair))[pools.key_of].view(*batch.given.shape, -1)


class Pools:
    """Codes (B, n, Q) of those samples that are real, pooled by keys (B, n), as those of `class_pools.py` are."""

    def __init__(self, codes: Tensor, real: Tensor, keys: Tensor) -> None:
        self.keys, self.key_of = torch.unique(keys.flatten(), return_inverse=True)
        codes = codes * real[..., None]
        self.total = torch.zeros(len(self.keys), codes.shape[2]).index_add(0, self.key_of, codes.flatten(0, 1))
        self.count = torch.zeros(len(self.keys)).index_add(0, self.key_of, real.flatten())
        self.size = real.sum(dim=1)
        self.mean = codes.sum(dim=1) / self.size[:, None]

    def at(self, wanted: Tensor, of_set: Tensor) -> Tensor:
        """Return the mean code and the log share of u keys, (u, Q + 1); of_set (u,) is which history each is of."""
        at = torch.searchsorted(self.keys, wanted).clamp(max=len(self.keys) - 1)
        there = (self.keys[at] == wanted).float()
        count = self.count[at] * there
        mean = (self.total[at] * there[:, None] + FEW * self.mean[of_set]) / (count + FEW)[:, None]
        return torch.cat([mean, (torch.log(count / self.size[of_set] + RAREST) + MIDDLE)[:, None]], dim=1)


class Histories:
    """Histories to draw batches from: some of the samples of each."""

    def __init__(self, known: Sequence[Known]) -> None:
        rng = np.random.default_rng(0)
        rows = [rng.permutation(len(one.wrong))[:KEPT] for one in known]
        some = np.concatenate([one.columns[r[:100]] for one, r in zip(known, rows, strict=True)])
        self.mean, self.deviation = some.mean(axis=0), some.std(axis=0) + 1e-3
        self.sizes = torch.tensor([len(r) for r in rows])
        self.of_samples = torch.zeros(len(known), KEPT, S)
        self.of_set = torch.zeros(len(known), len(self.mean) - S)
        self.given, self.other = torch.zeros(2, len(known), KEPT, dtype=torch.int64)
        self.wrong = torch.zeros(len(known), KEPT)
        for i, (one, r) in enumerate(zip(known, rows, strict=True)):
            scaled = ((one.columns[r] - self.mean) / self.deviation).clip(-BOUND, BOUND)
            scaled = torch.from_numpy(scaled.astype(np.float32))
            self.of_samples[i, : len(r)], self.of_set[i] = scaled[:, :S], scaled[0, S:]
            for to, values in ((self.given, one.given), (self.other, one.other), (self.wrong, one.wrong)):
                to[i, : len(r)] = torch.from_numpy(values[r])

    def draw(self, which: Tensor) -> tuple[Batch, Tensor]:
        """Return some samples of some histories, (B,), no sample twice, and which of them are wrong, (B, n)."""
        n = int(torch.randint(*DRAWN, ()))
        sizes, of = self.sizes[which, None], which[:, None]
        rows = ((torch.rand(len(which), 1) * sizes).long() + torch.arange(n)) % sizes
        real = (torch.arange(n) < sizes).float()
        of_set = self.of_set[which] + NOISE * torch.randn(len(which), self.of_set.shape[1])
        batch = Batch(self.of_samples[of, rows], of_set, self.given[of, rows], self.other[of, rows], real)
        return batch, self.wrong[of, rows]


def fit(known: Sequence[Known], weights: Sequence[np.ndarray]) -> SetNetworks:
    """Fit a network for each of some weights of histories, (histories,); on one core, so that sums are the same."""
    torch.set_num_threads(1)
    histories = Histories(known)
    of_each = [torch.from_numpy(weight.astype(np.float32)) for weight in weights]
    found = [fit_one(seed, histories, weight) for seed, weight in enumerate(of_each)]
    return as_numbers(found, histories.mean, histories.deviation)


def fit_one(seed: int, histories: Histories, weights: Tensor) -> SetNetwork:
    """Fit one network; every step draws some samples of each of its histories."""
    torch.manual_seed(seed)
    network = SetNetwork(histories.of_set.shape[1], WITHOUT_CLASSES[seed % 2])
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    steps = -(-len(weights) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, EPOCHS * steps)
    for _ in range(EPOCHS):
        for which in torch.randperm(len(weights)).split(BATCH):
            batch, wrong = histories.draw(which)
            each = F.binary_cross_entropy_with_logits(network(batch), wrong, reduction="none") * batch.real
            loss = each.sum(dim=1) / batch.real.sum(dim=1)
            optimizer.zero_grad()
            ((loss * weights[which]).sum() / weights[which].sum()).backward()
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

    names = [name for name in SetNetworks.__dataclass_fields__ if name not in ("mean", "deviation")]
    scales = {"mean": mean.astype(np.float32), "deviation": deviation.astype(np.float32)}
    return SetNetworks(**scales, **{name: stacked(name) for name in names})
