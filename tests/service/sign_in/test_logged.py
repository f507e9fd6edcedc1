"""What a log may get of a database's errors: the statement, and none of the values in it."""

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from belmont.service.notices.tables import choices
from belmont.service.store.database import Store


def test_an_error_of_the_database_tells_no_value(store: Store) -> None:
    secret = "5ec7e7" * 10
    row = {"account": "0x", "channel": "webhook", "target": "https://hooks.example", "kinds": "", "language": "en",
           "secret": secret, "since": 1}  # fmt: skip
    with pytest.raises(IntegrityError) as caught, store.writing() as connection:
        connection.execute(insert(choices).values(row))
        connection.execute(insert(choices).values(row))
    assert "notice_choices" in str(caught.value) and secret not in str(caught.value)
