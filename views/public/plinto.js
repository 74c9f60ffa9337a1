// Pages work without this file; it only makes them nicer.
