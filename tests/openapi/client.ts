// Fetches prices with the types that openapi-typescript has generated.
import createClient from "openapi-fetch";
import type { paths } from "./quotefold.d.ts";

function expect(holds: boolean, what: unknown): asserts holds {
  if (!holds) throw new Error(JSON.stringify(what));
}

const { GET, POST } = createClient<paths, "application/json">({ baseUrl: process.argv[2] });

const { data: price } = await GET("/prices/{symbol}", { params: { path: { symbol: "AAPL" } } });
expect(price?.status === "ok" && Number(price.price) > 0, price);
expect(price.rule?.required === 2 && price.quotes?.[0]?.source === "alpha", price);

const { data: list } = await GET("/prices", { params: { query: { symbols: ["AAPL", "BTC-USD"], currency: "EUR" } } });
expect(list?.prices.length === 2 && list.prices[0]?.conversion?.to === "EUR", list);

const { data: posted } = await POST("/prices", {
  body: { symbols: ["AAPL", "BTC-USD"] },
  headers: { "Content-Type": "application/x-www-form-urlencoded" },
  bodySerializer: (body) => new URLSearchParams({ symbols: body.symbols.join(",") }),
});
expect(posted?.status === "complete", posted);

const { response, error } = await GET("/prices", { params: { query: { symbols: ["ZZZZ"] } } });
expect(response.status === 404 && response.headers.get("Prices-Status") === "none" && error !== undefined, error);

console.log(`TypeScript: AAPL is ${price.price} ${price.currency} ± ${price.plus_minus}`);
