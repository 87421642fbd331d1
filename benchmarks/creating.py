"""Creating tokens from 4 processes with 16 threads each on SQLite: `python -m benchmarks.creating`."""

import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from benchmarks import harness, seed
from latchkey import tokens
from latchkey.accounts.users import User
from latchkey.store.session import db, dispose

PROCESSES, THREADS, EACH = 4, 16, 50


def work(instance: Path) -> None:
    """One process: its threads mint, and say what went wrong."""
    seed.connect(instance)
    faults: list[str] = []
    slowest = [0.0] * THREADS

    def mint(number: int) -> None:
        for _ in range(EACH):
            started = time.perf_counter()
            try:
                owner = db.scalars(select(User).where(User.email_key == f"user{number}@example.com")).one()
                tokens.mint(owner, description="made", scopes=["account:read"], lifetime=timedelta(days=1))
                db.commit()
            except SQLAlchemyError as error:
                db.rollback()
                faults.append(f"{type(error).__name__}: {error}"[:200])
            finally:
                db.remove()
            slowest[number] = max(slowest[number], time.perf_counter() - started)

    harness.together(mint, THREADS)
    print(f"{len(faults)} {max(slowest):.3f} {faults[0] if faults else ''}")


def main() -> None:
    with harness.scratch() as instance:
        seed.connect(instance)
        for number in range(THREADS):
            seed.user(f"user{number}@example.com")
        dispose()
        started = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks.creating", str(instance)]
        running = [
            subprocess.Popen(command, cwd=harness.ROOT, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
        ]
        lines = [process.communicate()[0].strip() for process in running]
        seconds = time.perf_counter() - started
        failed = sum(int(line.split()[0]) for line in lines)
        slowest = max(float(line.split()[1]) for line in lines)
        made = PROCESSES * THREADS * EACH
        print(f"{made:,} tokens from {PROCESSES} x {THREADS} threads in {seconds:.1f} s, start-up included; ", end="")
        print(f"{failed} failed, slowest {slowest * 1000:.0f} ms")
        for line in lines:
            if line.split()[0] != "0":
                print("  ", line)


if __name__ == "__main__":
    threading.stack_size(512 * 1024)
    work(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
