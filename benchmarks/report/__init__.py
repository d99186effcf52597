"""Figures of benchmarks: ratios with confidence intervals, stored results, pages and plots.

    python -m benchmarks.report

Writes docs/performance from the stored results of the last runs, docs/performance/data.
"""
