def test_nobody_but_the_contract_uses_charges(consortium, refused):
    id_ = consortium.dataset()
    everybody = (consortium.holder, consortium.data_user, *consortium.board, consortium.auditor, consortium.non_member)
    for somebody in everybody:
        with refused("NOT_USES_CONTRACT"):
            consortium.call(somebody, "Datasets", "charge", id_, 1, 1, 1, bytes(32), False)
    assert consortium.registry.dataset(id_).rho_spent == 0
