"""Statistics of a history, each a function ``f(history)`` that reads it in one streaming pass.

Every function of the histories takes

- ``history``: what `labelaudit.open_history` or `labelaudit.history_from_arrays` returned, n samples, K classes;
- ``split``: which split to read; default "train";
- ``epochs``: numbers of the epochs to read, e.g. ``range(20)``; default all of all runs;
- ``skip_nan``: leave out predictions whose scores are NaN instead of refusing the history;

and returns a Series indexed by sample_id, in dataset order. A statistic of a sample is over the epochs that saw it;
several runs count as more epochs, and no change is counted between two runs. In the formulas p_t are the
probabilities, z_t the logits of epoch t, y is the given label, E the number of epochs, and c_t is 1 where epoch t
predicted y, else 0; of equal scores the lower class is predicted. Losses and entropies are in nats. A history of
summaries says of each prediction the given label's probability, the likeliest other class and the entropy: what
needs all classes (the mean probabilities, and what is made of them) takes the rest as spread evenly.

To compute several at once in one pass, stream their `Accumulator` classes together:

    >>> from labelaudit.analyzers import Correctness, Margin, accumulate, tabulate, worked_example
    >>> history = worked_example()
    >>> table = tabulate(history, accumulate(history, [Correctness, Margin]))
    >>> table[["forgetting_events", "aum"]].round(6)
               forgetting_events       aum
    sample_id
    0                          1  0.267501
"""

from labelaudit.analyzers.accumulator import Accumulator, accumulate, tabulate
from labelaudit.analyzers.centred_loss import centred_loss
from labelaudit.analyzers.class_health import class_health, class_pair_health, label_health
from labelaudit.analyzers.class_level import confident_joint, noise_matrix
from labelaudit.analyzers.cleanlab_filters import find_label_issues
from labelaudit.analyzers.cleanlab_scores import confidence_weighted_entropy, normalized_margin, self_confidence
from labelaudit.analyzers.consensus import Consensus, bald, consensus, mean_probability_margin, runner_up
from labelaudit.analyzers.correctness import Correctness, correctness, wrong_events
from labelaudit.analyzers.data_map import (
    DataMap,
    aleatoric,
    confidence,
    region,
    threshold_closeness,
    variability,
    variability_upper,
)
from labelaudit.analyzers.entropy import hardness, last_entropy, mean_entropy, signed_entropy
from labelaudit.analyzers.error_norm import ErrorNorm, el2n
from labelaudit.analyzers.forgetting import forgetting_events, last_forgotten_as, last_forgotten_epoch, learning_events
from labelaudit.analyzers.forgetting_log import forgetting_log
from labelaudit.analyzers.late_forgetting import SecondSplit, forgotten_for_good, second_half_forgetting
from labelaudit.analyzers.learning import (
    first_learned_epoch,
    learned_for_good,
    mean_correct_epoch,
    never_learned,
    presentations_to_learn,
    unforgettable,
)
from labelaudit.analyzers.loss import Loss, MovingLoss, ema_loss, last_loss, loss_variance, max_loss, mean_loss
from labelaudit.analyzers.loss_curves import loss_cluster, loss_curves
from labelaudit.analyzers.margin import Margin, aum, data_error_potential, margin_probability
from labelaudit.analyzers.mistakenness import Mistakenness, last_mistakenness, mistakenness, mistakenness_logits
from labelaudit.analyzers.slices import slices
from labelaudit.analyzers.trend import Trend, confidence_slope, mann_kendall
from labelaudit.analyzers.votes import Votes, disagreement, plurality_other, prediction_entropy, prediction_flips, vote
from labelaudit.analyzers.worked_example import worked_example

__all__ = [
    "Accumulator",
    "Consensus",
    "Correctness",
    "DataMap",
    "ErrorNorm",
    "Loss",
    "Margin",
    "Mistakenness",
    "MovingLoss",
    "SecondSplit",
    "Trend",
    "Votes",
    "accumulate",
    "aleatoric",
    "aum",
    "bald",
    "centred_loss",
    "class_health",
    "class_pair_health",
    "confidence",
    "confidence_slope",
    "confidence_weighted_entropy",
    "confident_joint",
    "consensus",
    "correctness",
    "data_error_potential",
    "disagreement",
    "el2n",
    "ema_loss",
    "find_label_issues",
    "first_learned_epoch",
    "forgetting_events",
    "forgetting_log",
    "forgotten_for_good",
    "hardness",
    "label_health",
    "last_entropy",
    "last_forgotten_as",
    "last_forgotten_epoch",
    "last_loss",
    "last_mistakenness",
    "learned_for_good",
    "learning_events",
    "loss_cluster",
    "loss_curves",
    "loss_variance",
    "mann_kendall",
    "margin_probability",
    "max_loss",
    "mean_correct_epoch",
    "mean_entropy",
    "mean_loss",
    "mean_probability_margin",
    "mistakenness",
    "mistakenness_logits",
    "never_learned",
    "noise_matrix",
    "normalized_margin",
    "plurality_other",
    "prediction_entropy",
    "prediction_flips",
    "presentations_to_learn",
    "region",
    "runner_up",
    "second_half_forgetting",
    "self_confidence",
    "signed_entropy",
    "slices",
    "tabulate",
    "threshold_closeness",
    "unforgettable",
    "variability",
    "variability_upper",
    "vote",
    "worked_example",
    "wrong_events",
]
