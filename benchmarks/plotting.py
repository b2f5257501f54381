"""Plots as SVG that are the same in each run."""

from typing import Any

from starting_kit.extras import needs


def pyplot(salt: str) -> Any:
    """matplotlib.pyplot in the style of our plots; imported when a benchmark begins, so that it does not fail at its end.

    Args:
        salt: from which the ids in the files derive.

    Raises:
        InputError: matplotlib is not installed.
    """
    with needs("plots"):
        import matplotlib as mpl
    mpl.use("svg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"svg.hashsalt": salt, "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    return plt
