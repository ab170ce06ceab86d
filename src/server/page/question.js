// Reads the question in the page's address, and writes it for others.

/** Why the address cannot be read. */
class Unreadable extends Error {}

/** A parameter of the address, read as the service reads it: a plus is a space, but at the end of a symbol it is a warrant's. */
function parameter(name) {
  const pair = location.search.slice(1).split("&").find((part) => part.split("=")[0] === name);
  const text = pair?.slice(name.length + 1) ?? "";
  const marked = (name === "symbols" ? warrantsMarked(text) : text).replaceAll("+", " ");
  try {
    return decodeURIComponent(marked);
  } catch {
    throw new Unreadable(`"${marked}" is not UTF-8 once it is percent-decoded`);
  }
}

/** The same list, with the pluses of warrants escaped. A form escapes every comma and every plus itself: there, a plus is a space. */
function warrantsMarked(list) {
  if (!list.includes(",") || /%2C/i.test(list)) return list;
  return list.split(",").map((part) => {
    const stem = part.replace(/\++$/, "");
    return stem === "" || stem === part || /%2B$/i.test(stem) ? part : `${stem}%2B`;
  }).join(",");
}

/** The symbols in a text, without those that are empty. */
export function listed(text) {
  return text.split(",").map((part) => part.trim()).filter(Boolean);
}

/** The question in the address, about these symbols if it names none. `wrong` says why it cannot be read. */
export function question(byDefault) {
  try {
    const symbols = listed(parameter("symbols"));
    return { symbols: symbols.length > 0 ? symbols : byDefault, currency: parameter("currency").trim(), wrong: null };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { symbols: [], currency: "", wrong: error.message };
  }
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
