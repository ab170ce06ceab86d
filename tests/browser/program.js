// Starts quotefold, reads where it listens, and ends it.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAM = process.env.QUOTEFOLD ?? fileURLToPath(new URL("../../target/debug/quotefold", import.meta.url));

/** The reply to a request on a connection of its own: one that was kept may be closed at the very moment of its next use. */
export function ask(url, options = {}) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false, ...options }, (reply) => {
      let body = "";
      reply.setEncoding("utf8").on("data", (text) => { body += text; }).on("error", reject);
      reply.on("end", () => resolve({ status: reply.statusCode, body }));
    });
    asked.once("error", reject).end();
  });
}

/** A program that runs. */
export class Program {
  /** Where it listens: for clients, and, if it has an address for that, for its operator. */
  addresses;
  #process;
  #ended;

  static async start(...options) {
    const program = new Program();
    // a proxy of the machine's has no business with loopback
    const { http_proxy, https_proxy, all_proxy, HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, ...environment } = process.env;
    program.#process = spawn(PROGRAM, options, { stdio: ["ignore", "pipe", "ignore"], env: environment });
    program.#ended = new Promise((resolve) => program.#process.once("close", resolve));
    const line = await new Promise((resolve, reject) => {
      let said = "";
      program.#process.once("error", reject);
      program.#process.once("close", (code) => reject(new Error(`${PROGRAM} ended with ${code} before it was ready`)));
      program.#process.stdout.setEncoding("utf8").on("data", (text) => {
        said += text;
        if (said.includes("\n")) resolve(said);
      });
    });
    program.addresses = [...line.matchAll(/http:\/\/[0-9.]+:[0-9]+/g)].map(([address]) => address);
    return program;
  }

  /** A demo whose venues break only if they are told to. */
  static demo(listen = "127.0.0.1:0") {
    return Program.start("demo", "--quiet", "--listen", listen);
  }

  /** A service whose only sources are the venues of a demo, with more settings. */
  static async serve(demo, settings) {
    const { body: text } = await ask(`${demo.url}/demo/configuration`);
    // on a busy machine an honest venue may be slow
    const venues = text.replace('"800ms"', '"8s"').replaceAll('"600ms"', '"6s"');
    const folder = await mkdtemp(join(tmpdir(), "quotefold-"));
    const file = join(folder, "quotefold.toml");
    await writeFile(file, `${venues}\n${settings}\n`);
    try {
      return await Program.start("serve", "--listen", "127.0.0.1:0", "--config", file);
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  /** The address for clients. */
  get url() {
    return this.addresses[0];
  }

  /** Tells a venue of the demo how to behave. */
  async tell(venue, mood) {
    const { status, body } = await ask(`${this.url}/demo/${venue}/${mood}`, { method: "POST" });
    if (status !== 200) throw new Error(body);
  }

  /** Ends it; does nothing if it has ended. */
  async end() {
    this.#process.kill("SIGTERM");
    await this.#ended;
  }
}
