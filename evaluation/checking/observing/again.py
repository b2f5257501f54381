"""Two more calls with the first seed, in a process that has seen none: of a fresh load, and of the same function again."""

from evaluation.checking.observed import Again
from evaluation.checking.observing import process_state
from evaluation.checking.observing.call import digest_of
from evaluation.checking.observing.calls import Caller, given, state
from evaluation.checking.subject import Subject
from starting_kit.unwrapping import unwrapped


def observe(subject: Subject) -> Again:
    """Call it twice. What the first call imports is there before the second, which is the one that is looked at.

    Raises:
        DataWithheldError: it reads data that it is not given.
        SolutionError: it raised.
    """
    caller = Caller(subject)
    functions = process_state.functions()
    net = caller.network()
    with caller.surroundings():
        function = caller.loaded(net)
        first = digest_of(state(unwrapped(given(caller.call(function, net, caller.seeds[0]), net))))
    net = caller.network()
    with caller.surroundings():  # what the first call has changed is put back
        before = process_state.snapshot()
        caller.loaded(net)
        after_load = process_state.snapshot()
        returned = caller.call(function, net, caller.seeds[0])
        changed = process_state.changes(before, after_load) + process_state.changes(after_load, process_state.snapshot())
    second = digest_of(state(unwrapped(given(returned, net))))
    return Again(first, second, list(dict.fromkeys(changed)), process_state.replaced(functions))
