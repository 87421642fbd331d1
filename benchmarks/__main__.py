"""Every measurement, one after the other: `make bench`."""

from benchmarks import admin, creating, guards, hostile, housekeeping, me, oauth, screen, start

if __name__ == "__main__":
    start.main()
    me.main(*me.MANY)
    screen.main()
    admin.main()
    housekeeping.main()
    creating.main()
    hostile.main()
    oauth.main()
    guards.main()
