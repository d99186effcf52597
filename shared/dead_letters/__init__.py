"""Dead letters: rows and payloads of firings and messages that failed permanently.

functions/operations/dead_letters.py stores them; shared/admin redrives and purges them.
"""
