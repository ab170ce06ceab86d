// Reads server-sent events (HTML, section 9.2) out of the bytes of a reply, wherever these are cut.

/** The longest event that is read, in characters. The longest entry with its proof is far shorter. */
const LONGEST = 4 << 20;

export class EventParser {
  /** It keeps the first bytes of a character until the others come, and drops a byte order mark. */
  #decoder = new TextDecoder();
  /** The beginning of a line that is not whole yet. */
  #line = "";
  /** Whether the latest text ended with a carriage return, so that a line feed would belong to the same end of a line. */
  #wasReturn = false;
  #name = "";
  #data = [];
  #length = 0;
  /** How long the server asks its client to wait before it comes back, in milliseconds; null if it has not said. */
  retry = null;

  /** The events that end within these bytes, each with its `name` and its `data`. Throws if one is too long. */
  read(bytes) {
    let text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return [];
    if (this.#wasReturn && text.startsWith("\n")) text = text.slice(1);
    this.#wasReturn = text.endsWith("\r");
    const lines = (this.#line + text).split(/\r\n|\r|\n/);
    this.#line = lines.pop();
    const events = lines.map((line) => this.#read(line)).filter((event) => event !== null);
    if (this.#line.length + this.#length > LONGEST) throw new RangeError("an event is too long");
    return events;
  }

  /** Takes a line; an empty one ends an event, which is returned. */
  #read(line) {
    if (line === "") return this.#end();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    if (field === "data") {
      this.#data.push(value);
      // an empty line counts, too
      this.#length += value.length + 1;
    }
    if (field === "retry" && /^[0-9]+$/.test(value)) this.retry = Number(value);
    // a comment has an empty field; ids are of no use to us, since every stream begins with the whole state
    return null;
  }

  /** The event that ends here; null if it has no data. */
  #end() {
    const [name, data] = [this.#name || "message", this.#data];
    [this.#name, this.#data, this.#length] = ["", [], 0];
    return data.length === 0 ? null : { name, data: data.join("\n") };
  }
}
