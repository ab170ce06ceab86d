// Makes elements. Every word is set as text, so whatever a vendor says stays words.

const SVG = "http://www.w3.org/2000/svg";

/** An element with properties, attributes (those with a hyphen, `role` and `for`), and children. */
export function element(name, properties = {}, ...children) {
  return filled(document.createElement(name), properties, children);
}

/** An element of a drawing; all its properties are attributes. */
export function drawn(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function filled(node, properties, children) {
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key.includes("-") || key === "role" || key === "for") node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Sets a text, and leaves the page alone where it is there already. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Whether somebody has just selected something in a node, which would be lost if the node were replaced. */
export function isSelected(node) {
  const selection = document.getSelection();
  return selection !== null && !selection.isCollapsed && node.contains(selection.anchorNode);
}

/** Puts a table into a place. Where one with as many rows is there already, only rows that differ are replaced. */
export function showTable(place, table) {
  if (isSelected(place)) return;
  const [old, rows] = [[...place.querySelectorAll("tbody tr")], [...table.querySelectorAll("tbody tr")]];
  if (old.length === 0 || old.length !== rows.length) place.replaceChildren(table);
  else old.forEach((row, number) => row.isEqualNode(rows[number]) || row.replaceWith(rows[number]));
}

/** Copies a text. Where the page may not use the clipboard (plain HTTP from afar), an old command of browsers still may. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = element("textarea", { value: text, className: "unseen", "aria-hidden": "true" });
    const before = document.activeElement;
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    before?.focus();
    return copied;
  }
}

/** A button that copies what `text` returns, and says for a moment whether it could. */
export function copies(button, text) {
  const label = button.textContent;
  let back;
  button.addEventListener("click", async () => {
    const copied = await copy(text());
    button.textContent = copied ? "Copied" : "Not copied";
    clearTimeout(back);
    back = setTimeout(() => { button.textContent = label; }, 2000);
  });
  return button;
}
