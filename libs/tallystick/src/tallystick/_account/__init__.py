"""The account: prove that what a source published is what a reader received, and heal the rest.

Nothing here does I/O. Decisions are functions of what they are given; a look is a generator that
yields the questions it has (`steps`), and whoever runs it answers them.
"""
