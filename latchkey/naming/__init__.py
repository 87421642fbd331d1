"""What people and apps may be called, so that nobody is taken for somebody else."""
