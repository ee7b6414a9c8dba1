"""The VAE of Figures 5 and 6: one latent for the whole scene."""
