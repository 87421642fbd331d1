"""What people, apps and sets of scopes may be called, so that nobody is taken for somebody else."""
