// Reads the question in the page's address, and writes it for others.

/** A parameter of the address, read as the service reads it: a plus is a space, but at the end of a symbol it is a warrant's. */
function parameter(name) {
  const pair = location.search.slice(1).split("&").find((part) => part.split("=")[0] === name);
  const parts = (pair?.slice(name.length + 1) ?? "").split(",");
  const marked = name !== "symbols" ? parts : parts.map((part) => {
    const stem = part.replace(/\++$/, "");
    return stem === "" || stem === part || /%2[BC]$/i.test(stem) ? part : `${stem}%2B`;
  });
  try {
    return decodeURIComponent(marked.join(",").replaceAll("+", " "));
  } catch {
    return "";
  }
}

/** The symbols in a text, without those that are empty. */
export function listed(text) {
  return text.split(",").map((part) => part.trim()).filter(Boolean);
}

/** The question in the address, about these symbols if it names none. */
export function question(byDefault) {
  const symbols = listed(parameter("symbols"));
  return { symbols: symbols.length > 0 ? symbols : byDefault, currency: parameter("currency").trim() };
}

/** The query that asks it, with the commas readable, and fit for the quotes of a shell. */
export function query({ symbols, currency }) {
  const parts = [`symbols=${symbols.map(escaped).join(",")}`];
  if (currency !== "") parts.push(`currency=${escaped(currency)}`);
  return parts.join("&");
}

function escaped(text) {
  const all = encodeURIComponent(text).replace(/[!'()*~]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  return all.replace(/%(5E|3D|3A|2F)/g, (escape) => decodeURIComponent(escape));
}
