"""The account: prove that what a source published is what a reader received, and heal the rest.

The decisions do no I/O: they are functions of what they are given, and a look is a generator that
yields the questions it has (`steps`). The `..._port` files answer them, `looking`, `serving` and
`keeping` run in a service. Section 7 of docs/delivery.md.
"""
