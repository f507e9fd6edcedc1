"""An institution's service: an API for other software, the ethics board's console, the patient's page.

It runs on the institution's own machine and holds no key that decides anything: what its users decide they sign
themselves, and what they see is what the chain says, or has its hash there.
"""
