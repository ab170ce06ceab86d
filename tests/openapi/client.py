"""Fetches prices with the client that openapi-python-client has generated."""

import sys
from decimal import Decimal

from quotefold_client import Client
from quotefold_client.api.prices import get_price, get_prices
from quotefold_client.api.symbols import search_symbols
from quotefold_client.models import Completeness, SymbolReason, SymbolStatus

client = Client(sys.argv[1])

price = get_price.sync("AAPL", client=client)
assert price.status == SymbolStatus.OK and Decimal(price.price) > 0, price
assert price.rule.required == 2 and price.quotes[0].source == "alpha", price
assert price.as_of.tzinfo is not None, price

converted = get_prices.sync(client=client, symbols=["BTC-USD"], currency="EUR")
assert converted.status == Completeness.COMPLETE and converted.simulated is True, converted
assert Decimal(converted.prices[0].conversion.rate) > 0, converted

unknown = get_price.sync_detailed("ZZZZ", client=client)
assert unknown.status_code == 404 and unknown.parsed.reason == SymbolReason.UNKNOWN_SYMBOL, unknown

problem = get_price.sync("AAPL", client=client, timeout="soon")
assert problem.type_ == "/problems/bad-query" and problem.field == "timeout", problem

found = search_symbols.sync(client=client, q="bitcoin", limit=1)
assert found.symbols[0].symbol == "BTC-USD", found
print(f"Python: AAPL is {price.price} {price.currency} ± {price.plus_minus}")
