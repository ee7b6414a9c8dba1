"""Every table and figure of the paper, a file each."""
