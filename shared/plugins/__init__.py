"""Jobs that others wrote: declared in a manifest, run in a process of their own, served what they declared."""
