"""The reproduction of the paper: which studies there are, their digests, and the report made of those.

Not part of the installed package: it reads what ``dba run`` and ``dba sweep`` record, as any user could.
"""
