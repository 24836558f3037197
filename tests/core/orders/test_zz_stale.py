from tests.core.orders.test_supply import *
def test_stale(shop, alice, asked):
    [call] = due(shop)
    answer(shop, call)
    answer(shop, call)
    print(waiting_verbs(shop, asked), shop.view(asked)["state"])
    assert waiting_verbs(shop, asked) == []
