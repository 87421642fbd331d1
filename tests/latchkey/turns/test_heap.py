"""Memory that hashing took is given back when nobody hashes any more."""

import platform
import subprocess
import sys

import pytest

# Twice, since the library keeps what it was given back once and is asked for again.
HASHED = """
import threading
from pathlib import Path
from latchkey.turns import heap
from argon2 import PasswordHasher

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024

def work():
    for _ in range(3):
        PasswordHasher(time_cost=1, memory_cost=32_000, parallelism=1).hash("x")

heap.settle()
before = resident()
thread = threading.Thread(target=work)
thread.start()
thread.join()
kept = resident()
heap.trim()
print(kept - before, resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or sys.platform != "linux", reason="about glibc on Linux")
def test_what_hashing_took_is_given_back():
    told = subprocess.run([sys.executable, "-c", HASHED], check=True, capture_output=True, text=True).stdout.split()
    kept, left = map(int, told)

    assert kept > 20
    assert left < 10
