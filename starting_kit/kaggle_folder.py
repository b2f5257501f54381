"""Write any task as a folder laid out like the competition's, so that notebooks made for it can be tried.

Images become RGB pictures, the forget set and the validation images are the task's, and the original model is a torchvision
ResNet-18, trained on the folder's training data as the organisers' scorer trains. The competition's images were 32x32 faces.

    python -m starting_kit.kaggle_folder --task digits --out kaggle
    python evaluation/score.py --task kaggle_layout --data kaggle --solution finetune

Exit codes: 0 done; 1 the folder cannot be written; 2 the command line or an input file is wrong; 130 interrupted.
"""

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from starting_kit import tasks
from starting_kit.errors import InputError
from starting_kit.kaggle import competition_folder


def main(arguments: list[str] | None = None) -> int:
    """The command; gives the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add = parser.add_argument
    add("--task", default="digits", help="whose data are written (default: %(default)s)")
    add("--data", type=Path, default=Path(os.environ.get("UNLEARNING_DATA") or "data"), help="where its data lie")
    add("--forget", help="what is to be forgotten (default: the task's)")
    add("--epochs", type=int, help="epochs of the original model (default: 30)")
    add("--seed", type=int, default=0, help="of the original model (default: %(default)s)")
    add("--out", type=Path, required=True, help="the folder, which must be empty or not exist")
    options = parser.parse_args(arguments)
    console = Console(stderr=True)
    try:
        with console.status(f"Writing the images of {options.task}"):
            competition_folder.write(tasks.find(options.task, options.data, options.forget).load(), options.out)
        with console.status("Training the original model, which takes minutes"):
            competition_folder.write_original(options.out, options.epochs, options.seed)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {options.out} cannot be written ({error}); remove it and write it again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; remove {options.out} and write it again.", file=sys.stderr)
        return 130
    print(f"written: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
