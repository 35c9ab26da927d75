"""The parts of the verdict, each against a slow or an obvious reference."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

import labelaudit
from labelaudit import History, history_from_arrays
from labelaudit.analyzers.accumulator import accumulate
from labelaudit.auditing import experience, noise_model, set_networks
from labelaudit.auditing.calibrate import along_ranking
from labelaudit.auditing.clues import COLUMNS, LEAST_NEARBY, NEARBY, Clues, log_odds
from labelaudit.auditing.evidence import Evidence, log_time_weight
from labelaudit.auditing.experience import SUSPICION, by_experience, trees
from labelaudit.auditing.glance import doubling_blocks, glance
from labelaudit.auditing.reading import Reading, read_labels
from labelaudit.auditing.set_networks import CHUNK, SetNetworks
from labelaudit.auditing.stages import Stages
from labelaudit.auditing.trees import MOST_LEAVES, Trees
from labelaudit.auditing.verdict import LOWEST_CUT, best_cut, leaned, lowest_cut
from labelaudit.auditing.window import n_early, plan


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def beliefs(n: int, k: int, sharp: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return (K, n) probabilities and true classes drawn from them: a calibrated model."""
    rng = np.random.default_rng(seed)
    p = softmax(rng.normal(size=(n, k)) * sharp)
    true = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return p.T, true


def noisy(true: np.ndarray, matrix: np.ndarray, seed: int = 1) -> np.ndarray:
    draw = np.random.default_rng(seed).random((len(true), 1))
    return (matrix[true].cumsum(axis=1) < draw).sum(axis=1)


def test_doubling_blocks() -> None:
    assert [list(block) for block in doubling_blocks(Stages.by_epoch(10))] == [[0], [1], [2, 3], [4, 5, 6, 7], [8, 9]]
    assert [list(block) for block in doubling_blocks(Stages.by_epoch(1))] == [[0]]


def test_every_doubling_weighs_alike() -> None:
    stages = Stages.by_epoch(16)
    sums = [sum(log_time_weight(i, stages) for i in block) for block in doubling_blocks(stages)]
    assert sums[0] == 0.5
    np.testing.assert_allclose(sums[1:], 0.5 + np.array([0, 1 / 12, 0.1345, 0.1629]), atol=1e-3)
    assert log_time_weight(16, Stages.by_epoch(17)) == 0.5 / 17


def test_evidence_is_the_weighted_average() -> None:
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(7, 40, 3)), rng.integers(0, 3, 40)
    history = history_from_arrays(z, labels)
    uses = plan(history).uses
    (evidence,) = accumulate(history, [partial(Evidence, uses=uses)])
    assert isinstance(evidence, Evidence)
    whole, early = evidence.averages()
    weights = np.array([log_time_weight(i, Stages.by_epoch(7)) for i in range(7)])
    expected = np.tensordot(weights / weights.sum(), softmax(z), 1)
    np.testing.assert_allclose(whole.of(slice(None)).T, expected, atol=1e-6)
    used = [epoch for (_, epoch), use in uses.items() if use.early]
    np.testing.assert_allclose(early.of(slice(None)).T, softmax(z)[used].mean(axis=0), atol=1e-6)


def test_early_epochs_end_before_memorising() -> None:
    """Classes are learned by epoch 3, the 20 % wrong labels by heart from epoch 8 on."""
    rng = np.random.default_rng(0)
    n, k, epochs = 1500, 5, 32
    true = rng.integers(0, k, n)
    given = noisy(true, np.full((k, k), 0.05) + 0.75 * np.eye(k))
    z = rng.normal(size=(epochs, n, k)) * 0.7
    z[:, np.arange(n), true] += np.minimum(np.arange(epochs) * 1.5, 4.5)[:, None]
    z[:, np.arange(n), given] += np.clip(np.arange(epochs) - 7, 0, 8)[:, None]
    history = history_from_arrays(z, given)
    assert 2 <= n_early(glance(history, 0, list(range(epochs)), None)) <= 8
    audit = labelaudit.audit(history)
    assert audit.summary["estimated_error_rate"] == pytest.approx((given != true).mean(), abs=0.02)


@pytest.mark.parametrize("kind", ["none", "symmetric", "pair"])
def test_the_noise_model_recovers_the_noise(kind: str) -> None:
    k = 4
    p, true = beliefs(6000, k, 3.0)
    matrix = {
        "none": np.eye(k),
        "symmetric": 0.8 * np.eye(k) + 0.2 * (1 - np.eye(k)) / (k - 1),
        "pair": 0.8 * np.eye(k) + 0.2 * np.roll(np.eye(k), 1, axis=1),
    }[kind]
    given = noisy(true, matrix)
    model = noise_model.fit(p, given)
    np.testing.assert_allclose(model.matrix, matrix, atol=0.05)
    assert model.rate == pytest.approx((given != true).mean(), abs=0.02)
    np.testing.assert_allclose(model.matrix.sum(axis=1), 1)


def test_doubt_is_not_called_noise() -> None:
    """A model that is unsure, and labels that are right: disagreements are many, errors none."""
    p, true = beliefs(6000, 4, 1.0)
    assert (p.argmax(axis=0) != true).mean() > 0.3
    assert noise_model.fit(p, true).rate < 0.03  # 0.024 after 15 iterations; 0.011 where they converge


def test_the_posterior_against_a_loop() -> None:
    p, true = beliefs(50, 3, 2.0)
    given = noisy(true, np.full((3, 3), 0.1) + 0.7 * np.eye(3))
    model = noise_model.fit(p, given)
    found = noise_model.posterior(model, lambda here: p[:, here], given)
    for i in range(50):
        q = (p[:, i] + noise_model.SOFTEN / 3) ** model.beta
        joint = q / q.sum() * model.matrix[:, given[i]]
        wrong = np.delete(joint, given[i])
        assert found.wrong[i] == pytest.approx(wrong.sum() / joint.sum())
        assert joint[found.other[i]] == pytest.approx(wrong.max())
        assert found.share[i] == pytest.approx(wrong.max() / wrong.sum())


def test_along_ranking_is_isotonic_regression() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=500)
    probability = np.clip(0.5 + 0.3 * score + 0.2 * rng.normal(size=500), 0, 1)
    found = along_ranking(score, probability)
    reference = IsotonicRegression().fit(score, probability).predict(score)
    assert np.abs(found - reference).mean() < 0.02, "a smoothed isotonic regression"
    order = np.argsort(score)
    assert (np.diff(found[order]) > 0).all()


def test_along_ranking_keeps_ties_and_order() -> None:
    found = along_ranking(np.array([1.0, 1.0, 2.0, 0.0]), np.array([0.2, 0.4, 0.1, 0.0]))
    assert found[0] == found[1]
    assert found[3] < found[0] < found[2]
    assert ((found >= 0) & (found <= 1)).all()


def test_a_high_step_beside_a_broad_level_does_not_raise_its_end() -> None:
    score = np.array([0.0] * 6 + [1.0] * 3 + [2.0, 3.0, 4.0])
    probability = np.array([0.02] * 6 + [0.01] * 3 + [0.9, 0.92, 0.94])
    found = along_ranking(score, probability)
    assert found[:9] == pytest.approx(0.15 / 9, abs=1e-5)
    assert found[9:] == pytest.approx([0.9, 0.92, 0.94], abs=1e-5)


def _clues(history: History) -> tuple[Clues, Reading]:
    planned = plan(history)
    (evidence,) = accumulate(history, [partial(Evidence, uses=planned.uses)])
    assert isinstance(evidence, Evidence)
    read = read_labels(*evidence.averages(), history.labels)
    return Clues.of(read, evidence.log_ratios(), planned.glances), read


def _log_ratios(p: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Of (n, K) probabilities."""
    best_other = np.where(np.eye(p.shape[1], dtype=bool)[given], -1, p).max(axis=1)
    return np.log((best_other + 1e-3) / (p[np.arange(len(p)), given] + 1e-3))


def _noisy_history(epochs: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    true = rng.integers(0, 4, 400)
    given = noisy(true, np.full((4, 4), 0.05) + 0.8 * np.eye(4))
    return _logits(np.full((epochs, 2), [3.0, 0.5]), given, true, 4), given


def test_what_the_trees_are_asked_about() -> None:
    z, given = _noisy_history(6)
    clues, read = _clues(history_from_arrays(z, given))
    found = dict(zip(COLUMNS, [*clues.of_samples(), *clues.of_set()], strict=True))
    p = softmax(z)
    of_blocks = [_log_ratios(p[one].mean(axis=0), given) for one in ([0], [1], [2, 3], *[[4, 5]] * 3)]
    for number, of_block in enumerate(of_blocks):
        np.testing.assert_allclose(found[f"log_ratio_{number}"], of_block, atol=1e-5)
    suspicion = found[SUSPICION]
    place = np.array([(suspicion > one).mean() + (suspicion == one).mean() / 2 for one in suspicion])
    np.testing.assert_allclose(found["rank"], np.log(place + 1e-4))
    assert found["disagreeing_last"] == pytest.approx(np.log((p[4:].mean(0).argmax(1) != given).mean() + 2e-3))
    assert found["quantile_0.9"] == pytest.approx(np.quantile(suspicion, 0.9))
    assert found["first_quantile_0.5"] == pytest.approx(np.median(of_blocks[0]), abs=1e-5)
    assert found["last_quantile_0.995"] == pytest.approx(np.quantile(of_blocks[-1], 0.995), abs=1e-5)
    order = np.argsort(-suspicion)
    reach = max(int(400 * NEARBY), LEAST_NEARBY)
    wrong = read.posterior.wrong[order].clip(1e-4, 1 - 1e-4)
    for at in (0, 3, 57, 399):
        mean = wrong[max(at - reach, 0) : at + reach + 1].mean()
        assert found["nearby"][order[at]] == pytest.approx(log_odds(mean), abs=1e-6)


def test_the_best_cut_has_the_highest_expected_f1() -> None:
    """Against every possible cut, F1 being expected as twice the expected hits by flagged and expected mistakes."""
    rng = np.random.default_rng(0)
    probability = rng.beta(0.4, 1.2, 300)
    f1 = [2 * probability[probability > t].sum() / ((probability > t).sum() + probability.sum()) for t in probability]
    best = probability > best_cut(probability)
    expected = 2 * probability[best].sum() / (best.sum() + probability.sum())
    assert expected == pytest.approx(max(f1), abs=1e-6)
    assert best_cut(np.full(50, 0.02)) == LOWEST_CUT, "next to nothing is probable: not much is flagged"
    assert best_cut(np.repeat([0.0, 1.0], [90, 10])) == pytest.approx(0.5), "all is certain"


def test_a_model_that_learned_little_flags_only_what_is_likelier_wrong_than_right() -> None:
    assert [lowest_cut(clear) for clear in (0.1, 0.5, 0.6, 0.7, 3.0)] == pytest.approx([0.5, 0.5, 0.36, 0.22, 0.22])
    doubtful = np.full(50, 0.4)
    assert best_cut(doubtful, lowest_cut(1.0)) < 0.4 < best_cut(doubtful, lowest_cut(0.3))


def test_a_model_that_wavers_between_two_classes_alone_learned_much() -> None:
    """Of each class 45 % of the labels are the next one, so the model is sure of those two, and of neither."""
    rng = np.random.default_rng(0)
    n, k, true = 600, 6, np.arange(600) % 6
    given = np.where(rng.random(n) < 0.45, (true + 1) % k, true)
    p = np.full((4, n, k), 0.01)
    p[:, np.arange(n), true], p[:, np.arange(n), (true + 1) % k] = 0.52, 0.44
    seen = _clues(history_from_arrays(p, given, scores_are="probabilities"))[1].seen
    assert seen.clear_agreeing < 0.5
    assert seen.clear_other > 2
    assert lowest_cut(seen.learned) == LOWEST_CUT
    undecided = np.full((4, n, k), 0.14)
    undecided[:, np.arange(n), true], undecided[:, np.arange(n), (true + 1) % k] = 0.23, 0.21
    unsure = _clues(history_from_arrays(undecided, given, scores_are="probabilities"))[1].seen
    assert lowest_cut(unsure.learned) == 0.5


def test_leaning_keeps_the_order_and_moves_the_cut_to_one_half() -> None:
    probability = np.array([0.0, 0.1, 0.3, 0.5, 1.0])
    found = leaned(probability, 0.3)
    assert found[2] == pytest.approx(0.5)
    assert (found[[0, -1]] == [0, 1]).all()
    assert (np.diff(found) > 0).all()
    np.testing.assert_allclose(leaned(probability, 0.5), probability)


def test_more_against_the_label_is_more_by_experience() -> None:
    """The trees never fall with the log ratio, all else equal."""
    columns = list(np.random.default_rng(0).normal(size=(len(COLUMNS), 200)))
    before = trees().predict(columns, 200)
    columns[COLUMNS.index(SUSPICION)] += 1.5
    assert (trees().predict(columns, 200) >= before - 1e-9).all()


def test_doublings_of_two_runs_and_of_samples_that_some_missed(tmp_path: Path) -> None:
    """The second run is shorter: its last doubling stands for the later ones. Sample 0 is missing in its epoch 1."""
    (z, given), (w, _) = _noisy_history(9), _noisy_history(3)
    for name, run in (("one", z), ("two", w)):
        with labelaudit.Recorder(tmp_path / name, n_samples=len(given)) as recorder:
            for epoch, scores in enumerate(run):
                rows = np.arange(1 if (name, epoch) == ("two", 1) else 0, len(given))
                recorder.record(rows, scores[rows], given[rows])
                recorder.end_epoch()
    clues, read = _clues(labelaudit.open_history([tmp_path / "one", tmp_path / "two"]))
    p, q = softmax(z), softmax(w)
    first = [_log_ratios(p[one].mean(axis=0), given) for one in ([0], [1], [2, 3], [4, 5, 6, 7], [8], [8])]
    second = [_log_ratios(q[[one]].mean(axis=0), given) for one in (0, 1, 2, 2, 2, 2)]
    expected = (np.array(first) + second) / 2
    expected[1, 0] = first[1][0]
    np.testing.assert_allclose(clues.log_ratios, expected, atol=2e-3)
    one = labelaudit.open_history(tmp_path / "two")
    clues, read = _clues(one)
    assert clues.log_ratios[1, 0] == np.float32(read.log_ratio[0]), (
        "where no run saw it, the average over all epochs stands"
    )
    assert not np.isnan(by_experience(clues).odds).any()


def test_of_many_samples_only_the_doubtful_are_shown_to_the_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    z, given = _noisy_history(6)
    clues, _ = _clues(history_from_arrays(z, given))
    all_asked = by_experience(clues)
    by_trees = trees().predict([*clues.of_samples(), *clues.of_set()], len(given))
    doubt = float(np.median(by_trees))
    monkeypatch.setattr(experience, "MANY", 100)
    monkeypatch.setattr(experience, "BEYOND_DOUBT", doubt)
    found = by_experience(clues)
    assert 0 < (by_trees > doubt).sum() < len(given)
    np.testing.assert_array_equal(found.odds, np.where(by_trees > doubt, all_asked.odds, by_trees))
    np.testing.assert_array_equal(found.order, np.where(by_trees > doubt, all_asked.order, by_trees))


def test_trees_against_a_walk_down_each(tmp_path: Path) -> None:
    """Three trees: x0 <= 1 ? 10 : (x1 <= 0 ? 20 : 30), a leaf alone, (x1 <= 5 ? 100 : 200)."""
    value = np.zeros((3, MOST_LEAVES))
    value[0, :3], value[1, 0], value[2, :2] = (10, 20, 30), 0.25, (100, 200)
    trees = Trees(
        tests_of=np.array([2, 0, 1], np.uint8),
        feature=np.array([0, 1, 1], np.uint8),
        threshold=np.array([1.0, 0.0, 5.0], np.float32),
        ruled_out=np.array([0b001, 0b010, 0b001], np.uint8),
        value=value,
        start=-1.0,
    )
    columns = [np.array([1.0, 1.1, 2.0]), np.array([9.0, 0.0, 0.1])]
    assert trees.predict(columns, 3).tolist() == [209.25, 119.25, 129.25]
    assert trees.predict([columns[0], 0.0], 3).tolist() == [109.25, 119.25, 119.25], "one number for all samples"
    trees.save(tmp_path / "trees.npz")
    assert Trees.load(tmp_path / "trees.npz").predict(columns, 3).tolist() == [209.25, 119.25, 129.25]
    assert trees.predict([columns[0][:0], columns[1][:0]], 0).tolist() == []


def _random_networks(rng: np.random.Generator) -> SetNetworks:
    """Two networks of three columns of samples and two of the set."""
    shapes = {
        "encode": (2, 4, 5),
        "encode_more": (2, 6, 5),
        "attend": (2, 5, 2),
        "pool": (2, 5 * 3 + 2 + 1, 7),
        "pool_more": (2, 8, 4),
        "brief": (2, 6, 3),
        "of_class": (2, 2 * 3 + 3, 5),
        "of_class_more": (2, 6, 2),
        "of_pair": (2, 2 * 3 + 3, 5),
        "of_pair_more": (2, 6, 2),
        "judge": (2, 3 + 4 + 3 * 2 + 1, 5),
        "judge_more": (2, 6, 5),
        "answer": (2, 6, 1),
    }
    layers = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return SetNetworks(mean=np.arange(5, dtype=np.float32), deviation=np.array([1, 2, 1, 3, 1], np.float32), **layers)


def _one_by_one(
    networks: SetNetworks, rows: np.ndarray, of_set: np.ndarray, given: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Sample by sample, network by network."""
    found = []
    x = np.clip((rows - networks.mean[:3]) / networks.deviation[:3], -6, 6)
    d = np.clip((of_set - networks.mean[3:]) / networks.deviation[3:], -6, 6)
    for r in range(2):
        layers = {name: value[r].astype(float) for name, value in vars(networks).items() if value.ndim == 3}

        def linear(name: str, before: np.ndarray, layers: dict[str, np.ndarray] = layers) -> np.ndarray:
            return np.append(before, 1) @ layers[name]

        def relu(name: str, before: np.ndarray, layers: dict[str, np.ndarray] = layers) -> np.ndarray:
            return np.maximum(np.append(before, 1) @ layers[name], 0)

        codes = [relu("encode_more", relu("encode", one)) for one in x]
        pools = [np.mean(codes, axis=0)]
        for head in layers["attend"].T:
            pools.append(np.average(codes, axis=0, weights=[np.exp(np.clip(code @ head, -15, 15)) for code in codes]))
        of_all = relu("pool_more", relu("pool", np.concatenate([*pools, d])))
        brief = np.array([linear("brief", code) for code in codes])

        def pool(inside: np.ndarray, brief: np.ndarray = brief) -> list[float]:
            count = inside.sum()
            mean = (brief[inside].sum(axis=0) + 2 * brief.mean(axis=0)) / (count + 2)
            return [*mean, np.log(count / len(inside) + 1e-3) + 3]

        said = []
        for one, g, o in zip(x, given, other, strict=True):
            known = [*one, *of_all]
            for c in (g, o):
                known += [*relu("of_class_more", relu("of_class", np.array([*pool(given == c), *pool(other == c)])))]
            pair, turned = (given == g) & (other == o), (given == o) & (other == g)
            known += [*relu("of_pair_more", relu("of_pair", np.array([*pool(pair), *pool(turned)])))]
            said.append(linear("answer", relu("judge_more", relu("judge", np.array(known))))[0])
        found.append(said)
    return np.mean(found, axis=0)


@pytest.mark.parametrize("n", [1, 7, CHUNK + 3])
def test_set_networks_against_a_loop(n: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(n)
    networks = _random_networks(rng)
    rows, of_set = rng.normal(size=(n, 3)) * 3, np.array([2.0, 50.0])
    given, other = rng.integers(0, (4, 6), (n, 2)).T
    rows[-1], given[-1], other[-1] = rows[0], given[0], other[0]
    found = networks.predict(list(rows.T), of_set.tolist(), given, other)
    expected = _one_by_one(networks, rows, of_set, given, other)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert found[-1] == found[0], "equal samples, wherever they are"
    some = networks.predict(list(rows.T), of_set.tolist(), given, other, np.array([n - 1, 0]))
    assert some.tolist() == [found[0], found[0]]
    nothing = networks.predict(list(rows.T), of_set.tolist(), given, other, np.array([], int))
    assert nothing.tolist() == [], "nobody is asked about anything"
    shuffled, renamed = rng.permutation(n), rng.permutation(9)
    classes = renamed[given[shuffled]], renamed[other[shuffled]]
    again = networks.predict(list(rows[shuffled].T), of_set.tolist(), *classes)
    np.testing.assert_allclose(again, found[shuffled], rtol=1e-5, atol=1e-6 * np.abs(found).max())
    networks.save(tmp_path / "networks.npz")
    kept = SetNetworks.load(tmp_path / "networks.npz").predict(list(rows.T), of_set.tolist(), given, other)
    np.testing.assert_allclose(kept, found, rtol=0.02, atol=0.02 * np.abs(found).max())


def test_of_many_samples_some_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sample is there ten times: one of each says the same, but for what FEW adds to a pool."""
    rng = np.random.default_rng(0)
    networks, rows, of_set = _random_networks(rng), np.repeat(rng.normal(size=(500, 3)), 10, axis=0), [1.0, 2.0]
    classes = np.repeat(rng.integers(0, 2, (2, 500)), 10, axis=1)
    found = networks.predict(list(rows.T), of_set, *classes)
    monkeypatch.setattr(set_networks, "MOST_POOLED", 500)
    some = networks.predict(list(rows.T), of_set, *classes)
    assert (some != found).any()
    np.testing.assert_allclose(some, found, rtol=0.02)
    shuffled = rng.permutation(5000)
    again = networks.predict(list(rows[shuffled].T), of_set, *classes[:, shuffled])
    np.testing.assert_allclose(again, some[shuffled], rtol=1e-4, atol=1e-4)


def test_the_networks_see_a_sample_beside_the_others() -> None:
    networks = _random_networks(np.random.default_rng(0))
    rows = np.random.default_rng(1).normal(size=(20, 3))
    beside = np.concatenate([rows[:1], 3 * rows[1:]])
    classes = np.zeros(20, int), np.ones(20, int)
    first, then = (networks.predict(list(of.T), [1.0, 2.0], *classes)[0] for of in (rows, beside))
    assert first != then


def test_the_networks_see_a_class_beside_the_others() -> None:
    """The same samples, some of them of another class: the others of both classes are judged anew."""
    networks = _random_networks(np.random.default_rng(0))
    columns = list(np.random.default_rng(1).normal(size=(3, 30)))
    given, other = np.repeat([0, 1, 2], 10), np.repeat([1, 2, 0], 10)
    before = networks.predict(columns, [1.0, 2.0], given, other)
    given[:5] = 1
    after = networks.predict(columns, [1.0, 2.0], given, other)
    assert (before != after)[:20].all()


def test_a_model_that_learned_nothing_flags_nothing() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 600)
    history = history_from_arrays(rng.normal(size=(5, 600, 3)), labels)
    audit = labelaudit.audit(history)
    assert audit.summary["n_flagged"] == 0
    assert any("learned nothing" in note for note in audit.summary["notes"])
    assert "Nothing is flagged." in audit.summary["notes"]
    audit = labelaudit.audit(history, expected_error_rate=0.1)
    assert audit.summary["n_flagged"] == 60
    assert "What is flagged is by the cut you gave alone." in audit.summary["notes"]


def _logits(strength: np.ndarray, given: np.ndarray, towards: np.ndarray, k: int) -> np.ndarray:
    """Noise, plus `strength` (epochs, 2) times the class it learns and the label it learns by heart."""
    rng = np.random.default_rng(5)
    z = rng.normal(size=(len(strength), len(given), k))
    rows = np.arange(len(given))
    for epoch, (learned, by_heart) in enumerate(strength):
        z[epoch, rows, towards] += learned
        z[epoch, rows, given] += by_heart
    return z


def test_labels_learned_by_heart_at_once_are_read_from_the_first_epochs() -> None:
    """All but a few twins is learned by heart within eight epochs, and that stands still: nothing is left to read."""
    rng = np.random.default_rng(1)
    n, k = 2000, 5
    true = rng.integers(0, k, n)
    given = noisy(true, np.full((k, k), 0.025) + 0.875 * np.eye(k))
    strength = np.array([[2.0, 0.0], [2.2, 0.0], [2.2, 0.0], [2.0, 4.0], *[[2.5, 5.0]] * 4, *[[2.0, 12.0]] * 24])
    z = _logits(strength, given, true, k)
    z[8:, :12] = 0.0
    z[8:, np.arange(12), given[:12]] = 9.0
    z[8:, np.arange(12), (given[:12] + 1) % k] = 9.3  # equal inputs with two labels: never learned, and no mistake
    history = history_from_arrays(z, given)
    assert n_early(glance(history, 0, list(range(32)), None)) == 3
    found = labelaudit.audit(history)
    flagged = found.samples["is_label_issue"].to_numpy()
    assert (flagged & (given != true)).sum() > 0.6 * (given != true).sum()
    assert (flagged & (given == true)).sum() < 0.1 * flagged.sum()


def test_a_weak_model_is_said_to_be_weak() -> None:
    rng = np.random.default_rng(2)
    true = rng.integers(0, 4, 1000)
    weak = labelaudit.audit(history_from_arrays(_logits(np.full((6, 2), [0.3, 0.0]), true, true, 4), true))
    assert any("learned little" in note for note in weak.summary["notes"])
    clear = labelaudit.audit(history_from_arrays(_logits(np.full((6, 2), [6.0, 0.0]), true, true, 4), true))
    assert clear.summary["notes"] == []
