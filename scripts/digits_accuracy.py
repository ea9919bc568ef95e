"""Mean test accuracy of `deepglass train` over several splits of the digits.

Run it: python scripts/digits_accuracy.py [first seed] [number of splits]
"""

import sys

import numpy as np

from deepglass.train.digits import DigitsRun, Settings


def main(first: int = 0, count: int = 10) -> None:
    """Train once per seed; the seed decides split, first weights and order."""
    found = []
    for seed in range(first, first + count):
        run = DigitsRun(Settings(seed=seed))
        found.append(100 * run.fit()[-1].test["accuracy"])
        print(f"seed {seed}: test accuracy {found[-1]:.2f} %", flush=True)
    print(
        f"mean of {count} splits {np.mean(found):.2f} %, standard deviation "
        f"{np.std(found, ddof=1) if count > 1 else 0:.2f}, lowest {min(found):.2f} %"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
