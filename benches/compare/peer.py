"""The service that one would write in Python: `peer.py PORT HOT_ANSWER VENUE…`.

`/hot` answers from memory. `/prices` asks all venues at once, takes the median of what they say, and keeps nothing.
"""

import asyncio
import statistics
import sys
from contextlib import asynccontextmanager

import aiohttp
import orjson
import uvicorn
from fastapi import FastAPI, Response

port, hot_file, *venues = sys.argv[1:]
with open(hot_file, "rb") as file:
    hot_answer = orjson.loads(file.read())


@asynccontextmanager
async def with_session(app):
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=2)) as session:
        app.state.session = session
        yield


app = FastAPI(lifespan=with_session)


def reply(answer):
    return Response(orjson.dumps(answer), media_type="application/json")


@app.get("/hot")
async def hot():
    return reply(hot_answer)


async def ask(venue, symbols):
    async with app.state.session.get(f"http://{venue}/iex/?tickers={symbols}") as response:
        return venue, orjson.loads(await response.read())


@app.get("/prices")
async def prices(symbols: str):
    answers = await asyncio.gather(*(ask(venue, symbols) for venue in venues))
    quotes = {symbol: [] for symbol in symbols.split(",")}
    for venue, rows in answers:
        for row in rows:
            quotes[row["ticker"]].append({"source": venue, "price": row["last"], "at": row["lastSaleTimestamp"]})
    return reply(
        {
            "prices": [
                {"symbol": symbol, "price": statistics.median(quote["price"] for quote in found), "quotes": found}
                for symbol, found in quotes.items()
            ]
        }
    )


uvicorn.run(app, host="127.0.0.1", port=int(port), loop="uvloop", http="httptools", log_level="error", backlog=4096)
