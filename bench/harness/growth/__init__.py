"""What grows, and what has to stay as it is meanwhile: a file for each kind of growth, with its rows of the table."""
