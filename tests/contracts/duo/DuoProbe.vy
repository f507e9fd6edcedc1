# pragma version 0.4.3
# pragma evm-version prague
"""
@title DuoProbe
@license Apache-2.0
@notice The module `duo`, open for tests.
"""

import duo


@external
@pure
def checked(conditions: duo.Conditions, declared: duo.Declaration) -> bool:
    duo.checkConditions(conditions)
    duo.checkDeclaration(declared)
    return True


@external
@pure
def matched(conditions: duo.Conditions, use: duo.Use, now: uint64) -> duo.Match:
    return duo.match(conditions, use, now)


@external
@pure
def same(conditions: duo.Conditions, declared: duo.Declaration) -> (duo.Conditions, duo.Declaration):
    return conditions, declared
