"""What schemathesis cannot read from openapi.json: bounds that the operator sets, and rules between parameters.

A case that is meant to be right is made to keep them before it is sent; a case that is meant to be wrong stays as it is.
"""

import json

import schemathesis
from schemathesis import GenerationMode

# what the demo knows
CURRENCIES = ["EUR", "USD", "GBP", "BTC", "USDT"]
SOURCES = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
SPANS = ["timeout", "wait", "refresh_after", "max_age"]
LONGEST_QUERY = 4096
MEDIA_TYPES = {"application/json", "text/csv", "text/plain", "application/x-ndjson"}


def one_of(choices, value):
    """One of the choices, the same for the same value."""
    return choices[sum(str(value).encode()) % len(choices)]


def bounded(name, span):
    """A length of time within the bounds of its parameter."""
    digits, unit = "".join(c for c in span if c.isdigit()), "".join(c for c in span if not c.isdigit())
    if not digits:
        return span
    number = int(digits)
    if name in ("timeout", "wait"):
        return f"{50 + number % 200}ms"
    return f"{number % 1000}{unit}"


def kept(parameters):
    """The parameters, within bounds and without contradictions."""
    parameters = dict(parameters)
    for name in SPANS:
        if isinstance(parameters.get(name), str):
            parameters[name] = bounded(name, parameters[name])
    if "currency" in parameters:
        parameters["currency"] = one_of(CURRENCIES, parameters["currency"])
    if "sources" in parameters:
        source = one_of(SOURCES, parameters["sources"])
        parameters["sources"] = [source] if isinstance(parameters["sources"], list) else source
    if parameters.get("refresh") == "background":
        parameters.pop("max_age", None)
        parameters.pop("refresh_after", None)
    if parameters.get("format") != "csv":
        parameters.pop("decimal", None)
        parameters.pop("separator", None)
    if parameters.get("format", "json") == "json":
        parameters.pop("_", None)
    symbols = parameters.get("symbols")
    if isinstance(symbols, list):
        most = 1 if parameters.get("format") == "text" else 20
        parameters["symbols"] = [symbol[:20] for symbol in symbols[:most]]
    elif isinstance(symbols, str):
        first, *rest = symbols.split(",")
        symbols = first if parameters.get("format") == "text" else ",".join([first, *rest][:20])
        parameters["symbols"] = symbols[:200].rstrip(",")
    return parameters


@schemathesis.hook
def before_call(context, case, kwargs):
    """Sends what is meant to be right within bounds, and nothing that is longer than a query may be."""
    if case.meta is None or any(part.mode == GenerationMode.NEGATIVE for part in case.meta.components.values()):
        return
    if not case.operation.path.startswith("/prices"):
        return
    if case.query:
        case.query = kept(case.query)
    if isinstance(case.body, dict):
        case.body = kept(case.body)


@schemathesis.check
def a_5xx_is_a_503_as_described(ctx, response, case):
    """Stands in for not_a_server_error, since a 503 is an answer here."""
    if response.status_code < 500:
        return
    assert response.status_code == 503, f"{response.status_code} is a fault of the server"
    if case.operation.path.startswith("/health"):
        return
    wait = response.headers.get("retry-after", [""])[0]
    assert wait.isdigit() and int(wait) >= 1, f"Retry-After is {wait!r}"
    kind = response.headers.get("content-type", [""])[0].split(";")[0]
    if "prices-status" in response.headers:
        assert kind in MEDIA_TYPES, f"an answer is {kind}"
    else:
        assert kind == "application/problem+json", f"neither an answer nor a problem: {kind}"
        assert json.loads(response.content)["type"] in ("/problems/overloaded", "/problems/no-answer")
