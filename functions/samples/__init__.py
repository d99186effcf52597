"""Jobs that show what the platform does; none is of use to anybody else."""
