"""Write docs/performance from the stored figures."""

from benchmarks.report import pages

pages.write()
