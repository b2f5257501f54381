"""How a comparison that stops when it is clear has ended, for people."""

from evaluation.scoring.sequential import Outcome


def verdict(outcome: Outcome) -> str:
    """The verdict, and what it rests on, in two sentences."""
    look, (first, second) = outcome.look, outcome.names
    (low, high), scores = look.interval, f"{look.scores[0]:.4f} against {look.scores[1]:.4f} with {look.models} models"
    little = ", though by less than matters" if max(-low, high) <= look.margin else ""
    found = {
        "first is better": f"{first} is better than {second}{little}: {scores}",
        "second is better": f"{first} is worse than {second}{little}: {scores}",
        "no difference that matters": f"Between {first} and {second} there is no difference that matters: {scores}",
        None: f"Undecided between {first} and {second}: {scores}, the most that --models allows",
    }[look.verdict]
    stopped = (
        f"; stopped at {look.models} of {outcome.planned[-1]}" if look.verdict and look.models < outcome.planned[-1] else ""
    )
    return (
        f"{found}{stopped}. The difference is {look.scores[0] - look.scores[1]:+.4f}, {100 * (1 - look.share):.1f} % interval "
        f"{low:+.4f} to {high:+.4f}; {look.margin:.4f} or less does not matter (--margin)."
    )
