"""Fetches prices with the client that openapi-python-client has generated."""

import sys
import time
from decimal import Decimal

from quotefold_client import Client
from quotefold_client.api.prices import get_price, get_prices
from quotefold_client.api.symbols import search_symbols
from quotefold_client.models import Completeness, SymbolReason, SymbolStatus

client = Client(sys.argv[1])


def once(holds, ask):
    """An answer for which something holds. On a busy machine a venue may be late, and the next answer better."""
    for _ in range(1000):
        answer = ask()
        if holds(answer):
            return answer
        time.sleep(0.1)
    raise AssertionError(answer)


price = once(lambda price: price.status == SymbolStatus.OK, lambda: get_price.sync("AAPL", client=client))
assert price.status == SymbolStatus.OK and Decimal(price.price) > 0, price
assert price.rule.required == 2 and price.quotes[0].source == "alpha", price
assert price.as_of.tzinfo is not None, price

# the client repeats the parameter for each item of a list
asked = {"symbols": ["BTC-USD", "AAPL"], "currency": "EUR", "sources": ["eta", "zeta", "alpha", "beta", "delta"]}
converted = once(lambda answer: answer.status == Completeness.COMPLETE, lambda: get_prices.sync(client=client, **asked))
assert converted.status == Completeness.COMPLETE and converted.simulated is True, converted
assert Decimal(converted.prices[0].conversion.rate) > 0, converted

unknown = once(lambda reply: reply.status_code == 404, lambda: get_price.sync_detailed("ZZZZ", client=client))
assert unknown.status_code == 404 and unknown.parsed.reason == SymbolReason.UNKNOWN_SYMBOL, unknown

problem = get_price.sync("AAPL", client=client, timeout="soon")
assert problem.type_ == "/problems/bad-query" and problem.field == "timeout", problem

found = search_symbols.sync(client=client, q="bitcoin", limit=1)
assert found.symbols[0].symbol == "BTC-USD", found
print(f"Python: AAPL is {price.price} {price.currency} ± {price.plus_minus}")
