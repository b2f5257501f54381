"""Properties of a solution's file, and of the batches that it reads."""

from collections.abc import Sequence

from evaluation.checking.observed import DryCalls, Place, Text
from evaluation.checking.verdict import Finding, Property, has, lacks, unknown, weak

ROLES = "unlearning(net, retain_loader, forget_loader, val_loader)"
BOTH = "images, labels = (batch['image'], batch['age_group']) if isinstance(batch, dict) else batch"


def signature(text: Text) -> Finding:
    """It can be loaded, and defines `unlearning` with the right parameters."""
    if text.fault:
        return lacks(text.fault, f"The file must load by itself and define {ROLES}; parameters after these need defaults")
    values = f"; hyper-parameters: {', '.join(text.hyperparameters)}" if text.hyperparameters else ""
    return has(f"unlearning{text.signature}" if len(text.signature) < 60 else f"{ROLES}{values}")


def no_seed(text: Text) -> Finding:
    """It sets no seed: randomness comes from the global generators, which the runner seeds for every model."""
    if text.fault:
        return unknown("the file cannot be used")
    if text.seeds:
        return weak(
            f"random numbers are fixed inside unlearning ({places(text.seeds)})",
            "Take the seed out: every run is seeded from outside, and a fixed one makes the runs alike",
        )
    if text.seeds_at_top:
        return weak(
            f"a seed is set when the file is loaded ({places(text.seeds_at_top)}), which is undone",
            "Take it out: every run is seeded from outside",
        )
    return has("no seed is set")


def batches(dry: DryCalls) -> Finding:
    """It reads the batches of one of the two kits, which are the ones that it declares."""
    if dry.declared and (error := dry.dict if dry.declared == "dict" else dry.tuple):
        return lacks(f'BATCHES = "{dry.declared}", and a call with such batches fails: {error}', f"Read both: {BOTH}")
    if dry.chosen is None:
        same = f"with either kit's batches: {dry.tuple}" if dry.tuple == dry.dict else ""
        each = f"with tuples: {dry.tuple}; with dicts: {dry.dict}"
        return lacks(f"a call fails {same or each}", f"Mend the line that is named; to read both kinds of batches: {BOTH}")
    if dry.tuple or dry.dict:
        other = "the Kaggle kit's dicts" if dry.dict else "the CIFAR kit's tuples"
        return has(f"{dry.chosen} batches ({other} it does not read, nor need it)")
    return has("both kits' batches, (images, labels) and dicts")


def places(found: Sequence[Place]) -> str:
    """Lines with their text."""
    return ", ".join(f"line {place.line}: {place.text}" for place in found)


OF_FILE = (
    Property("signature", signature, ("text",), "text"),
    Property("no seed inside", no_seed, ("text",)),
    Property("batches", batches, ("batches",), "batches"),
)
