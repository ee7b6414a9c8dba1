"""Every table and figure of the paper: what it trains, what it measures, how it is drawn."""
