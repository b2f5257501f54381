"""Package a solution as a notebook of the competition, try it here, and submit it on Kaggle.

    python submit.py --solution scl_improved --check

--help has all options. The code is evaluation/submit.py.
"""

import sys

from evaluation.submit import main

if __name__ == "__main__":
    sys.exit(main())
