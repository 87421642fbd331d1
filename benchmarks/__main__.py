"""Every measurement, one after the other: `make bench`."""

from benchmarks import creating, me, oauth, screen, start

MANY = 1_000_000

if __name__ == "__main__":
    start.main()
    me.main(100_000)
    me.main(MANY)
    screen.main()
    creating.main()
    oauth.main()
