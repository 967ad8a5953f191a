"""Networks and recordings in the formats of other tools: NIR, Neo, NWB, xarray, pandas, SONATA."""
