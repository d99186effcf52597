"""Dead letters: rows and payloads of firings and messages that failed for good.

functions/operations/dead_letters.py stores them; shared/admin redrives and purges them.
"""
