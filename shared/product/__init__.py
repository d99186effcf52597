"""Rows and rules of this company's products, built on the platform; the platform never imports them."""
