"""Whole files on this machine: `python -m service translate-file`.

A file is read record by record, a window of records is under way at a time, and what is finished is
appended in order to a file beside the output, from which an interrupted run goes on.
"""
