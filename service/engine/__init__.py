"""Where the engine runs: in this process, or in one of its own.

Python lets one thread of a process run at a time, and both HTTP and the search are Python. In a
process of its own the engine does not wait for HTTP, nor HTTP for the engine.
"""
