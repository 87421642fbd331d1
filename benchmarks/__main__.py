"""Every measurement, one after the other: `make bench`."""

from benchmarks import creating, guards, hostile, me, oauth, screen, start

if __name__ == "__main__":
    start.main()
    me.main(*me.MANY)
    screen.main()
    creating.main()
    hostile.main()
    oauth.main()
    guards.main()
