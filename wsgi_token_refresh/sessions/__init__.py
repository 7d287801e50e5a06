"""How tokens are kept between requests."""
