"""Rows and rules of this company's products, built on the platform.

The platform never imports them.
"""
