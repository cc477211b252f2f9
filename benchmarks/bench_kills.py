"""`kill -9` under 32 concurrent calls, so many times: is anything lost that a client had received to its end?

Run as `python benchmarks/bench_kills.py --kills 200` (about a quarter of an hour). Ends with 1 if anything is.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from rich.progress import track

ROUND = 10
"""Kills on one store; the next ones get a new store, so that old and new ones are both met."""

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def main() -> int:
    from support.kills import kill_and_look
    from support.upstream import Upstream

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    kills = parser.parse_args().kills
    answers, lost, corrupt, unlogged = 0, [], [], []
    for seed in track(range(0, kills, ROUND), "killing"):
        with tempfile.TemporaryDirectory() as folder, Upstream() as upstream:
            damage = kill_and_look(upstream, f"{folder}/store.db", min(ROUND, kills - seed), seed)
        answers += damage.answers
        lost += damage.lost
        corrupt += damage.corrupt
        unlogged += damage.unlogged
    for fault in (*lost, *corrupt, *unlogged):
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(
        f"{kills} kills, {answers:,} answers received to their end: {len(lost)} lost, {len(corrupt)} corrupt, "
        f"{len(unlogged)} not in the log exactly once\n"
    )
    return 1 if lost or corrupt or unlogged else 0


if __name__ == "__main__":
    sys.exit(main())
