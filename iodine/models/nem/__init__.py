"""RNN-NEM (Greff et al., 2017) and R-NEM (van Steenkiste et al., 2018)."""
