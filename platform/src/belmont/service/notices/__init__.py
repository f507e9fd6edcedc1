"""Notices by e-mail or webhook, to who chose so: a new application, a freeze, a revocation, conditions, a release."""
