"""Mean validation accuracy of `deepglass train` over several splits of the digits.

Run it: python scripts/digits_accuracy.py [first seed] [number of splits]
"""

import sys

import numpy as np

from deepglass.runs import plan
from deepglass.runs.assemble import Assembled


def main(first: int = 0, count: int = 10) -> None:
    """Train once per seed; the seed decides split, first weights and order."""
    found = []
    for seed in range(first, first + count):
        planned = plan({"data": {"source": "digits"}, "train": {"seed": seed}})
        run = Assembled(planned.config, planned.material)
        history = run.trainer.fit(
            run.loaders["train"], run.loaders["validation"], planned.config.train.epochs
        )
        found.append(100 * history[-1].validation["accuracy"])
        print(f"seed {seed}: accuracy {found[-1]:.2f} %", flush=True)
    print(
        f"mean of {count} splits {np.mean(found):.2f} %, standard deviation "
        f"{np.std(found, ddof=1) if count > 1 else 0:.2f}, lowest {min(found):.2f} %"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
