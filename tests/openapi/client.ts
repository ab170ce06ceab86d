// Fetches prices with the types that openapi-typescript has generated.
import createClient from "openapi-fetch";
import type { paths } from "./quotefold.d.ts";

function expect(holds: boolean, what: unknown): asserts holds {
  if (!holds) throw new Error(JSON.stringify(what));
}

/** An answer for which something holds. On a busy machine a venue may be late, and the next answer better. */
async function once<T>(holds: (answer: T) => boolean, ask: () => Promise<T>): Promise<T> {
  for (let left = 1000; ; left -= 1) {
    const answer = await ask();
    if (holds(answer) || left === 0) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const { GET, POST } = createClient<paths, "application/json">({ baseUrl: process.argv[2] });

const { data: price } = await once(
  ({ data }) => data?.status === "ok",
  () => GET("/prices/{symbol}", { params: { path: { symbol: "AAPL" } } }),
);
expect(price?.status === "ok" && Number(price.price) > 0, price);
expect(price.rule?.required === 2 && price.quotes?.[0]?.source === "alpha", price);

// the client repeats the parameter for each item of a list
const query = { symbols: ["AAPL", "BTC-USD"], currency: "EUR", sources: ["alpha", "beta", "delta", "eta", "zeta"] };
const { data: list } = await once(({ data }) => data?.status === "complete", () => GET("/prices", { params: { query } }));
expect(list?.prices.length === 2 && list.prices[0]?.conversion?.to === "EUR", list);

const { data: posted } = await once(({ data }) => data?.status === "complete", () => POST("/prices", {
  body: { symbols: ["AAPL", "BTC-USD"] },
  headers: { "Content-Type": "application/x-www-form-urlencoded" },
  bodySerializer: (body) => new URLSearchParams({ symbols: body.symbols.join(",") }),
}));
expect(posted?.status === "complete", posted);

const { response, error } = await once(
  ({ response }) => response.status === 404,
  () => GET("/prices", { params: { query: { symbols: ["ZZZZ"] } } }),
);
expect(response.status === 404 && response.headers.get("Prices-Status") === "none" && error !== undefined, error);

console.log(`TypeScript: AAPL is ${price.price} ${price.currency} ± ${price.plus_minus}`);
