"""What is observed of a solution, a module for each process that runs it; none of it judges."""
