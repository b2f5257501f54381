"""What should hold of a solution, a function for each property: from what was observed to a finding."""
