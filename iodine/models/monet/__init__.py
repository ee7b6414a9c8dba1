"""MONet (Burgess et al., 2019), which Table 1 compares IODINE with."""
