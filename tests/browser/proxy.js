// Proxies between the browser and a service: one that a test steers and that notes what it is asked, and a real nginx.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { createServer as createSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { until } from "./browser.js";
import { ask } from "./program.js";

/**
 * A proxy that passes requests on to a service, and notes the path and the headers of each, and the status that the service gave. What
 * `answers` takes in hand, by returning true, is not passed on.
 */
export async function proxy(t, service, answers = () => false) {
  const asked = [];
  const server = createServer((incoming, answer) => {
    const noted = { path: incoming.url, headers: incoming.headers, status: null };
    asked.push(noted);
    if (answers(incoming, answer)) return;
    const passed = request(new URL(incoming.url, service), { method: incoming.method, headers: incoming.headers, agent: false }, (reply) => {
      noted.status = reply.statusCode;
      answer.writeHead(reply.statusCode, reply.headers);
      reply.pipe(answer);
      // a stream that the service has broken off is broken off for the browser, too
      reply.on("error", () => answer.destroy());
    });
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    incoming.pipe(passed);
  });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  t.after(() => { server.close(); server.closeAllConnections(); });
  return { url: `http://127.0.0.1:${server.address().port}`, asked };
}

/** A port that nobody listens at. */
async function freePort() {
  const server = createSocket();
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

/** The address of an nginx in front of a service, as it is set up by whoever sets nothing but where the service is. */
export async function nginx(t, service) {
  const folder = await mkdtemp(join(tmpdir(), "quotefold-nginx-"));
  const port = await freePort();
  const kept = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`);
  await writeFile(join(folder, "nginx.conf"), `
    daemon off; pid ${folder}/pid; error_log ${folder}/errors; worker_processes 1;
    events {}
    http {
      access_log off; ${kept.join(" ")}
      server { listen 127.0.0.1:${port}; location / { proxy_pass ${service}; } }
    }`);
  const server = spawn("nginx", ["-p", folder, "-e", join(folder, "errors"), "-c", join(folder, "nginx.conf")], { stdio: "ignore" });
  const ended = new Promise((resolve) => { server.once("close", resolve).once("error", resolve); });
  t.after(async () => {
    server.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true });
  });
  const url = `http://127.0.0.1:${port}`;
  await until(() => ask(`${url}/health/live`));
  return url;
}
