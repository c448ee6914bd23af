"""Documents → the texts in them, and back with translations. One file for each family of formats.

Everything here is plain computation on bytes that strangers send. The service runs it in a process
of its own (`service.document_worker`), with limits on memory and time.
"""
