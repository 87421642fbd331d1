"""What happened: events, refused requests, and requests that were carried out before."""
