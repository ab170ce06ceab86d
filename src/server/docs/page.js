// Shows openapi.json, which lies beside this page. Everything from the document is set as text, never as markup.
"use strict";

let description;

/** An element with attributes and children; a child is a node or a text. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return element;
}

/** What a reference leads to, with the description that stands beside the reference. */
function resolve(value) {
  if (!value || !value.$ref) return value;
  const target = value.$ref.slice(2).split("/").reduce((at, part) => at[part], description);
  const { $ref, ...beside } = value;
  return { ...resolve(target), ...beside };
}

/** The last part of a reference: the name of a schema. */
const named = (value) => value?.$ref?.split("/").pop();

/** A name that can stand in an address. */
const anchor = (...parts) => parts.join("-").replace(/[^A-Za-z0-9]+/g, "-").replace(/^-|-$/g, "").toLowerCase();

/** A text in which `code` is set as code. */
function prose(text) {
  return (text ?? "").split("`").map((part, place) => (place % 2 ? make("code", null, part) : part));
}

const paragraphs = (text) => (text ?? "").split("\n\n").map((part) => make("p", null, prose(part)));

/** A heading that can be linked to. */
function heading(level, id, ...children) {
  return make(`h${level}`, { id }, make("a", { href: `#${id}`, class: "anchor" }, ...children));
}

/** A block of text that can be copied. */
function copyable(text, label) {
  const button = make("button", { type: "button", class: "copy" });
  const say = (word) => {
    button.textContent = word;
    button.setAttribute("aria-label", `${word} ${label}`);
  };
  say("Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("Copied");
    } catch {
      select(block);
      say("Selected");
    }
    setTimeout(say, 1500, "Copy");
  });
  const block = make("pre", { tabindex: "0", role: "region", "aria-label": label }, make("code", null, text));
  return make("div", { class: "block" }, block, button);
}

/** Selects a block, where the clipboard cannot be written: on a page without TLS. */
function select(block) {
  const range = document.createRange();
  range.selectNodeContents(block);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
}

/** JSON as people write it: what fits on a line stands on one. */
function written(value, indent = "") {
  const line = JSON.stringify(value, null, 1)?.replace(/\n\s*/g, " ").replace(/^([{[]) | ([}\]])$/g, "$1$2");
  if (typeof value !== "object" || value === null || line.length + indent.length <= 76) return line;
  const inner = `${indent}  `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const items = Object.entries(value).map(([key, item]) => {
    return inner + (Array.isArray(value) ? "" : `${JSON.stringify(key)}: `) + written(item, inner);
  });
  return `${open}\n${items.join(",\n")}\n${indent}${close}`;
}

/** What a schema is, in a few words; the name of a schema is a link to it. */
function kind(schema) {
  const name = named(schema);
  if (name) return [make("a", { href: `#${anchor("schema", name)}` }, name)];
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.flatMap((choice, place) => (place ? [" or ", ...kind(choice)] : kind(choice)));
  const types = [schema.type ?? "anything"].flat();
  return types.flatMap((type, place) => {
    const words = type === "array" ? ["list of ", ...kind(schema.items ?? {})]
      : type === "object" && schema.additionalProperties ? ["map to ", ...kind(schema.additionalProperties)]
      : type === "string" && schema.format ? [schema.format]
      : [type];
    return place ? [" or ", ...words] : words;
  });
}

/** The limits of a schema, one sentence each. */
function limits(schema) {
  const said = [];
  const code = (value) => make("code", null, typeof value === "string" ? value : JSON.stringify(value));
  if (schema.enum && !schema["x-enumDescriptions"]) {
    said.push(["One of ", ...schema.enum.flatMap((value, place) => (place ? [", ", code(value)] : [code(value)])), "."]);
  }
  if (schema.const !== undefined) said.push(["Always ", code(schema.const), "."]);
  if (schema.default !== undefined) said.push(["Default: ", code(schema.default), "."]);
  if (schema.minItems && schema.maxItems) said.push([`${schema.minItems} to ${schema.maxItems} of them.`]);
  if (schema.minimum !== undefined && schema.maximum !== undefined) said.push([`${schema.minimum} to ${schema.maximum}.`]);
  if (schema.minLength && schema.maxLength) said.push([`${schema.minLength} to ${schema.maxLength} characters.`]);
  return said.map((words) => make("p", { class: "limit" }, ...words));
}

/** A table with a caption, in a frame that tells it how much room it has. */
function table(caption, heads, rows) {
  const head = make("thead", null, make("tr", null, heads.map((text) => make("th", { scope: "col" }, text))));
  const body = make("tbody", null, rows.map(([first, ...rest]) => {
    const cells = rest.map((cell) => make("td", null, ...[cell].flat()));
    return make("tr", null, make("th", { scope: "row" }, ...[first].flat()), cells);
  }));
  return make("div", { class: "fit" }, make("table", null, make("caption", null, caption), head, body));
}

function parameters(operation) {
  const all = (operation.parameters ?? []).map(resolve);
  if (!all.length) return [];
  const rows = all.map((one) => [
    [make("code", null, one.name), one.required ? make("span", { class: "needed" }, "required") : null],
    [make("span", { class: "kind" }, one.in === "query" ? "" : `${one.in}, `, ...kind(one.schema))],
    [make("p", null, prose(one.description)), ...limits(resolve(one.schema))],
  ]);
  return [table("Parameters", ["name", "type", "meaning"], rows)];
}

/** The fields of an object, each with the fields that it holds, opened on demand. */
function fields(schema, caption, within = []) {
  const { properties = {}, required = [] } = schema;
  const rows = Object.entries(properties).map(([name, field]) => {
    const inside = nested(field, within);
    const mark = required.includes(name) ? null : make("span", { class: "optional" }, "may be left out");
    return [
      [make("code", null, name), mark],
      [make("span", { class: "kind" }, ...kind(field))],
      [make("p", null, prose(field.description)), ...limits(field), ...inside],
    ];
  });
  return table(caption, ["field", "type", "meaning"], rows);
}

/** The schemas that a field leads to, as tables that can be opened in its row. */
function nested(field, within) {
  const parts = [field, field.items, field.additionalProperties?.items, ...(field.oneOf ?? [])].filter(named);
  const fresh = parts.filter((part) => !within.includes(named(part)));
  return fresh.map((part) => {
    const opened = make("details", null, make("summary", null, named(part)));
    opened.addEventListener("toggle", () => {
      if (opened.open && opened.children.length === 1) opened.append(body(part, [...within, named(part)]));
    });
    return opened;
  });
}

/** What a schema holds: its fields, or its values. */
function body(reference, within) {
  const schema = resolve(reference);
  const name = named(reference);
  const meanings = schema["x-enumDescriptions"];
  if (meanings) {
    const rows = Object.entries(meanings).map(([value, text]) => [make("code", null, value), [...prose(text)]]);
    return table(`Values of ${name}`, ["value", "meaning"], rows);
  }
  return schema.properties ? fields(schema, `Fields of ${name}`, within) : make("p", null, ...kind(schema));
}

/** The examples of a content, under their names. */
function examples(content, label) {
  const several = Object.entries(content.examples ?? {}).map(([name, example]) => [name, resolve(example).value]);
  const all = content.example === undefined ? several : [["", content.example], ...several];
  return all.map(([name, value]) => {
    const text = typeof value === "string" ? value : written(value);
    const title = name ? `Example: ${name}` : "Example";
    return make("details", { class: "example" }, make("summary", null, title), copyable(text, `${label} ${title}`));
  });
}

function response(code, reference) {
  const reply = resolve(reference);
  const parts = Object.entries(reply.content ?? {}).map(([type, content]) => {
    const schema = content.schema ?? {};
    const { properties, description: text, "x-lines": line } = resolve(schema);
    const what = properties ? nested(schema, []) : [make("p", null, prose(text)), ...nested({ oneOf: [line] }, [])];
    return make("div", { class: "content" }, make("p", null, make("code", null, type)), ...what,
      ...examples(content, `${code} ${type}`));
  });
  const headers = Object.entries(reply.headers ?? {}).map(([name, header]) => {
    const { description: text, required } = resolve(header);
    return [make("code", null, name), required ? "always" : "sometimes", [...prose(text)]];
  });
  if (headers.length) {
    parts.push(make("details", null, make("summary", null, "Headers"),
      table(`Headers of a ${code}`, ["header", "there", "meaning"], headers)));
  }
  const summary = make("summary", null, make("code", { class: `code c${code[0]}` }, code), " ", prose(reply.description));
  return make("details", { class: "response", open: code === "200" ? "" : undefined }, summary, ...parts);
}

/** A line for a shell that makes the request with the examples of its parameters. */
function curl(method, path, operation) {
  const all = (operation.parameters ?? []).map(resolve);
  const form = operation.requestBody?.content["application/x-www-form-urlencoded"];
  const spelled = (name, value) => `${name}=${[value].flat().map((part) => encodeURIComponent(part)).join(",")}`;
  const base = new URL(".", location.href).href.replace(/\/$/, "");
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(all.find((one) => one.name === name).example));
  const query = all.filter((one) => one.in === "query" && one.required).map((one) => spelled(one.name, one.example));
  const address = `${base}${filled}${query.length ? `?${query.join("&")}` : ""}`;
  const data = form ? ` -d '${Object.entries(form.example).map(([name, value]) => spelled(name, value)).join("&")}'` : "";
  return `curl '${address}'${data}`;
}

function operation(path, method, one) {
  const id = anchor(method, path);
  const form = one.requestBody?.content["application/x-www-form-urlencoded"];
  const label = `${method.toUpperCase()} ${path}`;
  const needsKey = (one.security ?? description.security ?? []).some((choice) => Object.keys(choice).length);
  return make("section", { class: "operation", "aria-labelledby": id },
    heading(3, id, make("span", { class: `method ${method}` }, method.toUpperCase()), " ", make("code", null, path)),
    paragraphs(one.description),
    make("p", { class: "key" }, needsKey ? "Needs a key if the operator has set any." : "Needs no key."),
    copyable(curl(method, path, one), `the curl line of ${label}`),
    ...parameters(one),
    form ? [make("p", null, prose(one.requestBody.description)), fields(resolve(form.schema), "Form")] : null,
    make("h4", null, "Replies"),
    Object.entries(one.responses).map(([code, reply]) => response(code, reply)));
}

/** The operations of a tag, as sections. */
function operations(tag) {
  return Object.entries(description.paths).flatMap(([path, methods]) => Object.entries(methods)
    .filter(([, one]) => one.tags.includes(tag))
    .map(([method, one]) => ({ path, method, one, id: anchor(method, path) })));
}

function schemas() {
  return Object.keys(description.components.schemas).map((name) => {
    const reference = { $ref: `#/components/schemas/${name}` };
    return make("section", { class: "schema", "aria-labelledby": anchor("schema", name) },
      heading(3, anchor("schema", name), make("code", null, name)),
      make("p", null, prose(resolve(reference).description)), body(reference, [name]));
  });
}

function contents() {
  const link = (id, ...words) => make("li", null, make("a", { href: `#${id}` }, ...words));
  const groups = description.tags.map((tag) => make("li", null, make("a", { href: `#${anchor("tag", tag.name)}` }, tag.name),
    make("ul", null, operations(tag.name).map(({ path, method, id }) => link(id,
      make("span", { class: `method ${method}` }, method.toUpperCase()), " ", path)))));
  const all = Object.keys(description.components.schemas).map((name) => link(anchor("schema", name), name));
  const list = make("details", null, make("summary", null, "Schemas"), make("ul", null, all));
  return make("ul", null, groups, make("li", null, list));
}

function show() {
  const content = document.getElementById("content");
  document.getElementById("version").textContent = description.info.version;
  document.getElementById("contents").append(contents());
  content.append(make("p", { class: "lead" }, description.info.summary), ...paragraphs(description.info.description));
  for (const tag of description.tags) {
    content.append(heading(2, anchor("tag", tag.name), tag.name), ...paragraphs(tag.description),
      ...operations(tag.name).map(({ path, method, one }) => operation(path, method, one)));
  }
  content.append(heading(2, "schemas", "Schemas"), ...schemas());
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

async function start() {
  const state = document.getElementById("state");
  state.textContent = "Loading the description…";
  try {
    const reply = await fetch("openapi.json");
    if (!reply.ok) throw new Error(`the service replied with ${reply.status}`);
    description = await reply.json();
    show();
    state.remove();
  } catch (error) {
    state.textContent = `The description could not be shown: ${error.message}. Reload the page to try again.`;
  }
}

start();
