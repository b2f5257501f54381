"""Package a solution as a notebook of the competition, try it here, and submit it on Kaggle.

Without further options the notebook and its description are written to submissions/<solution>/. --check executes exactly
that notebook in a folder laid out as Kaggle's, and compares the weights of its checkpoints with those that score.py gets from
the same seeds: they must be equal.

    python submit.py --solution scl_improved --user NAME
    python submit.py --solution scl_improved --check

Exit codes: 0 done; 1 the work failed; 2 the command line or an input file is wrong; 130 interrupted.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from evaluation import terminal
from evaluation.populations import Population
from evaluation.store import require_writable, write_json
from starting_kit import contract, kaggle_folder, submission, tasks
from starting_kit.contract import Batches, Solution
from starting_kit.errors import RunError


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = terminal.command_parser("submit.py", __doc__)
    add = parser.add_argument
    add("--solution", required=True, metavar="NAME|PATH", help=f"one of {', '.join(contract.zoo())}, or a .py file")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyper-parameter; may be repeated")
    add("--user", default=os.environ.get("KAGGLE_USERNAME"), metavar="NAME", help="on Kaggle (default: $KAGGLE_USERNAME)")
    add("--title", help="of the notebook; its address is made of it (default: Unlearning: <solution>)")
    add("--accelerator", default="NvidiaTeslaT4", metavar="ID", help="default: %(default)s, two of them, of which one is used")
    add("--seed", type=int, default=0, help="every run's seed derives from it (default: %(default)s)")
    add("--half", action="store_true", help="float16 checkpoints, which take half the space")
    add("--hours", type=float, default=8.0, metavar="H", help="stop if it would take longer (default: %(default)s, the limit)")
    add("--out", type=Path, default=Path("submissions"), metavar="DIR", help="default: %(default)s")
    add("--check", action="store_true", help="execute the notebook here and compare its weights with those of score.py")
    add("--data", type=Path, metavar="DIR", help="the competition's folder for --check (default: one made from digits)")
    add("--models", type=int, default=3, metavar="N", help="runs of --check (default: %(default)s)")
    add("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)
    return terminal.run_command(lambda: submit(options), options.debug)


def submit(options: argparse.Namespace) -> None:
    """Write the notebook, and do with it what was asked for.

    Raises:
        InputError: an option or the solution is wrong.
        RunError: the notebook fails, or its weights are not those that are scored.
    """
    solution = contract.describe(contract.find(options.solution), options.set)
    require_writable(options.out / solution.name, "--out")
    batches = find_batches(solution)
    title = options.title or f"Unlearning: {solution.name.replace('_', ' ')}"
    notebook = submission.notebook(solution, batches, title, options.seed, options.half, options.hours)
    folder = options.out / solution.name
    write_json(folder / submission.NOTEBOOK, notebook)
    if options.user:
        write_json(folder / "kernel-metadata.json", submission.metadata(options.user, title, options.accelerator))
    else:
        terminal.notice("kernel-metadata.json is not written, because it names the user: give --user or $KAGGLE_USERNAME.")
    print(f"written: {folder}")
    if options.check:
        check(solution, batches, options)


def find_batches(solution: Solution) -> Batches:
    """What a solution reads: what it says, else what a dry call on images of the competition's size finds out."""
    if solution.batches:
        return solution.batches
    import numpy as np

    from starting_kit import runner
    from starting_kit.networks import build
    from starting_kit.tasks import SPLITS, Data
    from starting_kit.tasks.casia_surf import TASK

    size = 2 * TASK.loader_batch_size
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (len(SPLITS) * size, *TASK.image_shape), dtype=np.uint8)
    labels = rng.integers(0, TASK.classes, len(images))
    with terminal.messages.status("Trying the solution"):
        return runner.find_batches(
            solution, build(TASK, seed=0).eval(), TASK, Data(images, labels, *np.arange(len(images)).reshape(4, -1))
        )


def check(solution: Solution, batches: Batches, options: argparse.Namespace) -> None:
    """Execute the notebook as it stands, and compare its weights with those that are scored (errors as for `submit`)."""
    import torch

    from starting_kit import submission_check

    notebook = submission.notebook(solution, batches, "check", options.seed, half=False, hours=options.hours)
    with tempfile.TemporaryDirectory() as folder:
        kaggle, work = Path(folder, "kaggle"), Path(folder, "work")
        work.mkdir()
        (kaggle / "input").mkdir(parents=True)
        competition = kaggle / "input" / submission.COMPETITION
        if options.data:
            competition.symlink_to(tasks.kaggle_layout.find_root(options.data).resolve())
        else:
            with terminal.messages.status("Writing a folder laid out as the competition's, from digits"):
                kaggle_folder.write(tasks.find("digits").load(), competition)
                kaggle_folder.write_original(competition, epochs=1, seed=0)
        with terminal.messages.status(f"Executing the notebook with {options.models} models"):
            found = submission_check.execute(notebook, kaggle, work, options.models)
        task = tasks.find("kaggle_layout", competition)
        population = Population(task, "unlearned", options.seed, Path(folder), tasks.ONE_AT_A_TIME)
        seeds = [population.model_seed(model) for model in range(options.models)]
        with terminal.stage("compared", options.models) as on_finished:
            for model, weights in enumerate(submission_check.expected(solution, batches, competition, seeds)):
                submitted = found.pop(f"unlearned_checkpoint_{model}.pth", {})
                equal = [torch.equal(submitted[name], weights[name]) for name in weights.keys() & submitted.keys()]
                if submitted.keys() != weights.keys() or not all(equal):
                    raise RunError(f"Model {model} of the notebook has other weights than the one that is scored.")
                on_finished(1)
        if found:
            raise RunError(f"submission.zip holds {', '.join(found)} as well.")
    print(f"checked: the notebook's {options.models} models have the weights that are scored, bit for bit")


if __name__ == "__main__":
    sys.exit(main())
