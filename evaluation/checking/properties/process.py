"""Properties of several calls: what they have in common, what they leave in their process, what else they touch."""

from evaluation.checking.observed import Again, Call, Reach, Text
from evaluation.checking.properties.file import places
from evaluation.checking.verdict import Finding, Property, has, lacks, unknown

SHOWN = 4  # names in a sentence


def same_seed(call: Call, again: Again) -> Finding:
    """The same seed gives the same weights."""
    if call.digest != again.digest:
        return lacks(
            "two calls with the same seed, each in a process of its own, give other weights",
            "Draw from torch's, numpy's or random's global generators only, not from a clock, os.urandom, "
            "default_rng() without a seed, or the order of a set",
        )
    return has("in two processes")


def other_seeds(call: Call, other: str, text: Text) -> Finding:
    """Other seeds give other weights."""
    if call.digest != other:
        return has("give other weights")
    if seeds := [*text.seeds, *text.seeds_at_top]:
        return lacks(
            f"two seeds give the same weights, for a seed is set in {places(seeds)}",
            "Take that out: all models are one and the same otherwise, and the score is 0",
        )
    if not call.moved:
        return lacks("two seeds give the same weights, those of the original model", "See 'moves the weights'")
    return lacks(
        "two seeds give the same weights: nothing in it is drawn at random, or it seeds where its text does not show it",
        "Shuffle, add noise, or draw new weights, from the global generators: runs that do not differ score 0",
    )


def nothing_kept(call: Call, again: Again, text: Text) -> Finding:
    """A call does not depend on the calls before it."""
    if call.digest != again.digest:
        return unknown("the same seed gives other weights in any case")
    if again.digest != again.of_second:
        where = f" ({places(text.kept)})" if text.kept else ""
        return lacks(
            f"a second call with the same seed gives other weights than the first: something is kept between calls{where}",
            "Make it inside unlearning; on Kaggle one process makes all the models, one after another",
        )
    return has("a second call gives what the first gives")


def state(again: Again) -> Finding:
    """What belongs to the whole process is as it was found."""
    if again.state:
        return lacks(
            f"changed and not put back: {_some(again.state)}",
            "Put it back in `finally`, or use a with block such as torch.enable_grad() or torch.device(...)",
        )
    return has("default type, device, threads, gradients, folder, variables, signals as found")


def libraries(again: Again) -> Finding:
    """Functions of libraries are their own."""
    if again.replaced:
        return lacks(f"replaced or added: {_some(again.replaced)}", "Call your own function instead of replacing a library's")
    return has("no function of torch, numpy or Python is replaced")


def files(reach: Reach) -> Finding:
    """It reads and writes no files elsewhere."""
    if reach.written:
        return lacks(
            f"writes {_some(reach.written)}",
            "Write to relative paths: a call has a folder of its own, which is removed after it",
        )
    if reach.read:
        return lacks(
            f"reads {_some(reach.read)}",
            "What it needs must lie beside the file and be named there by a relative path; elsewhere it will not be",
        )
    kept = f"; writes {_some(reach.kept)} in a call's own folder, which is removed" if reach.kept else ""
    return has(f"reads nothing elsewhere{kept}")


def alone(reach: Reach) -> Finding:
    """It opens no connection and starts no program."""
    if reach.connected:
        return lacks(f"connects to {_some(reach.connected)}", "There is no network here or on Kaggle; do without")
    if reach.started:
        return lacks(f"starts {_some(reach.started)}", "Do it in Python, in this process")
    return has("no connection, no program")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


OF_PROCESS = (
    Property("same seed, same weights", same_seed, ("call", "again")),
    Property("other seeds, other weights", other_seeds, ("call", "other seed", "text"), "other seed"),
    Property("nothing kept between calls", nothing_kept, ("call", "again", "text"), "again"),
    Property("global state as found", state, ("again",)),
    Property("libraries as found", libraries, ("again",)),
    Property("files", files, ("reach",)),
    Property("no network, no programs", alone, ("reach",)),
)
