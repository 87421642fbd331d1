"""The database: the FIFO lock of writers, engines, the session, prepared statements; a driver is known only here."""
