"""Steps of the conversion to neurons with units."""
