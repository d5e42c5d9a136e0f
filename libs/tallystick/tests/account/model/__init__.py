"""Every order in which one source, stream and reader can lose, repeat and forget two messages.

The account's own rule (`tallystick._account.fates.fate`, and two looks that agree) is tried in
every state that can be reached. It must never take for lost what may still arrive, never settle
what is lost, and come to the end from every state without another fault.
"""
