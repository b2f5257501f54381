# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Machine unlearning: the starting kit
#
# A network was trained on some data. Later a part of the data has to go: somebody asked for it to be deleted, or the labels were wrong.
# Deleting the files is easy, but the network has seen them. Training it again without them is exact and expensive.
# **Unlearning** is to change the trained network, at a fraction of that cost, so that it behaves *as if* it had been trained
# without them.
#
# * the **forget set** is what has to go, the **retain set** the rest of the training data;
# * the **original model** was trained on both, a **retrained model** on the retain set only: this is what unlearning should look like.
#
# Training is random, so there is not one retrained model but a population of them. In the NeurIPS 2023 challenge a solution was
# run 512 times and compared with 512 retrained models: could an attacker, who sees how confident a model is on an example that was to be
# forgotten, tell whether the model was unlearned or retrained? The better he can, the larger **ε** of that example. The score
# averages over the forget set, and is multiplied by how much of the accuracy was kept.
#
# This notebook shows the data, writes a first solution, scores it, and looks at what the attacker sees. It takes less than three minutes on a CPU.

# %%
import os
import sys
from pathlib import Path

PROJECT = next(folder for folder in [Path.cwd(), *Path.cwd().parents] if (folder / "submit.py").exists())
os.chdir(PROJECT)
os.environ["FORCE_COLOR"] = ""  # what commands print is plain text
sys.path.insert(0, str(PROJECT))
NOTEBOOK, FOLDER = "starting_kit/starting_kit.ipynb", "runs/starting_kit"

# %% [markdown]
# ## The data
#
# The built-in task `digits` is small enough for a laptop: 450 images of handwritten digits to train on, 90 of which are to be forgotten.
# `python evaluation/score.py --list-tasks` says which other tasks there are: MNIST, CIFAR-10, faces, the competition's own folder.

# %%
from starting_kit import tasks

task = tasks.find("digits")
data = task.load()
print(task.summary)
for split in ("retain", "forget", "validation", "test"):
    print(f"{split:10} {len(getattr(data, split)):5} images of {task.image_shape}")

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(1, 10, figsize=(10, 1.4))
for axis, example in zip(axes, data.forget, strict=False):
    axis.imshow(data.images[example][0], cmap="gray_r")
    axis.set_title(f"is a {data.labels[example]}", fontsize=9)
    axis.axis("off")
figure.suptitle("Ten of the images that are to be forgotten", y=1.15)
plt.show()
# %% [markdown]
# ## The contract
#
# A solution is one function. It gets the original model and three ordinary `DataLoader`s, and changes the model in place (or returns
# another one). Everything after the star is a hyper-parameter with its default.
#
# * No seeds: every run is seeded from outside, and the runs have to differ from each other, as retrained models do.
# * `val_loader` has what the model has never seen; it is there for stopping early, not for training on.
# * A run may take 20 % of the time of a retraining.
#
# Here is a first solution: give the last two layers new weights, so that what they knew is gone, then repair the damage with the retain set.

# %%
import torch
from torch import nn
from torch.nn import functional as F


def unlearning(net, retain_loader, forget_loader, val_loader, *, epochs: int = 5, learning_rate: float = 0.1):
    layers = [layer for layer in net.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    for layer in layers[-2:]:
        layer.reset_parameters()
    optimiser = torch.optim.SGD(net.parameters(), lr=learning_rate, momentum=0.9)
    device = next(net.parameters()).device  # the competition's loaders give batches on the CPU
    net.train()
    for _ in range(epochs):
        for images, labels in retain_loader:
            optimiser.zero_grad()
            F.cross_entropy(net(images.to(device)), labels.to(device)).backward()
            optimiser.step()
    net.eval()


# %% [markdown]
# ## The score
#
# `score.py` takes `unlearning` out of this very notebook (save it first if you change something; a `.py` file works as well). It runs
# it 64 times, trains 64 retrained models and as many again for comparison, and computes the competition's score. 64 models are
# enough to see whether something works; leave `--models` out for the 512 of the competition.

# %%
# !{sys.executable} evaluation/score.py --solution {NOTEBOOK} --models 64 --export {FOLDER} --results {FOLDER} --json {FOLDER}/scorecard.json 2>&1 | cat

# %% [markdown]
# How to read it ([more](../docs/scorecard.md)):
#
# * **score** is F × retain ratio × test ratio. The **ceiling** is what perfect unlearning scores: retrained models against other
#   retrained models. **originals** is what the original models score, which have forgotten nothing.
# * **forgetting quality F** is the mean of the points that each forget example earns: 1 for ε below 0.5, and half as much with
#   every further 0.5.
# * **cost**: above 20 % of a retraining, the competition rejected a submission.
#
# ## What the attacker sees
#
# For three of the examples: how confident the unlearned and the retrained models are, as log-odds of the right class. Where the two
# histograms differ, the attacker wins.

# %%
import json

import numpy as np

from evaluation.scoring.external import read_approach

scorecard = json.loads(Path(FOLDER, "scorecard.json").read_text())
retrained, unlearned = read_approach(Path(FOLDER), approach="starting_kit--n64")
epsilon = np.array([entry["epsilon"] for entry in scorecard["epsilons"]])

figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
for axis, place, name in zip(axes, (0.05, 0.5, 0.95), ("well forgotten", "typical", "given away"), strict=True):
    example = np.argsort(epsilon)[int(place * len(epsilon))]
    found = [population.confidences["forget"][:, example] for population in (retrained, unlearned)]
    bins = np.linspace(min(map(np.min, found)), max(map(np.max, found)), 25)
    for confidences, label in zip(found, ("retrained", "unlearned"), strict=True):
        axis.hist(confidences, bins, alpha=0.6, label=label)
    axis.set(title=f"{name}: ε = {epsilon[example]:.1f}", xlabel="confidence (log-odds)", ylabel="models")
axes[0].legend()
plt.show()
# %% [markdown]
# And all of them: how many forget examples have which ε.

# %%
figure, axis = plt.subplots(figsize=(7, 2.6), layout="constrained")
axis.hist(epsilon, np.arange(0, epsilon.max() + 0.5, 0.5), rwidth=0.9)
axis.set(
    xlabel="ε", ylabel="forget examples", title=f"score {scorecard['score']:.4f}, of a ceiling of {scorecard['ceiling']:.4f}"
)
plt.show()

# %% [markdown]
# ## What next
#
# * **Change the solution** above, save, and run the scoring cell again: the retrained models are there already, so it takes a quarter of the time.
# * **Learn from others**: `solutions/` has every published winner of the competition and the classics, one file each
#   `python evaluation/leaderboard.py` shows how they do. `python evaluation/tune.py --solution my_solution.py` fits hyper-parameters.
# * **Keep it as a file**: `starting_kit/solution_template.py` is where to start. `python evaluation/score.py --solution my_solution.py`.
# * **Submit it**: `python submit.py --solution my_solution.py --check` packages it as a notebook of the competition, executes
#   that notebook, and shows that its weights are those that were scored; `--submit` sends it to Kaggle ([how](../docs/kaggle.md)).
