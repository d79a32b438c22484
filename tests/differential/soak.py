"""Many rounds of the differential test: soak.py SEED N runs N random segments in rounds of 60, each on a seed of its own.

A fresh server every ten rounds. Exits 1 when something differed; every difference is printed with its seed.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from differential.rounds import Round  # noqa: E402
from support.house import House  # noqa: E402

SEGMENTS = 60
ROUNDS = 10


def main(seed, total):
    differences = compared = done = 0
    while done < total:
        with House() as house:
            for _ in range(ROUNDS):
                if done >= total:
                    break
                size = min(SEGMENTS, total - done)
                run = Round(house, seed, n=size, people=10, messages=120)
                found = run.run()
                done, compared, differences = done + size, compared + run.compared, differences + len(found)
                print(f"seed {seed}: {done}/{total} segments, {compared} memberships compared, {differences} differences", flush=True)
                for text in found:
                    print(text, flush=True)
                seed += 1
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1, int(sys.argv[2]) if len(sys.argv) > 2 else 600))
