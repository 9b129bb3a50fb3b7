// Messages of strongSwan's VICI protocol (README.md of its plugin vici) as bytes: sections of values,
// lists and further sections, behind a type and perhaps a name. Pure.

/** A section: texts, lists of texts, sections. Booleans and numbers are texts. */
export interface ViciSection {
  readonly [name: string]: string | readonly string[] | ViciSection;
}

export const PACKET = {
  request: 0,
  response: 1,
  unknownCommand: 2,
  register: 3,
  unregister: 4,
  confirm: 5,
  unknownEvent: 6,
  event: 7,
} as const;

export interface ViciPacket {
  readonly type: number;
  /** Of a command or event; empty in answers. */
  readonly name: string;
  readonly message: ViciSection;
}

const ELEMENT = {
  sectionStart: 1,
  sectionEnd: 2,
  keyValue: 3,
  listStart: 4,
  listItem: 5,
  listEnd: 6,
} as const;
const NAMED: ReadonlySet<number> = new Set([
  PACKET.request,
  PACKET.register,
  PACKET.unregister,
  PACKET.event,
]);
/** Longest packet of charon's (VICI_MESSAGE_SIZE_MAX). */
export const MAX_PACKET_BYTES = 512 * 1024;

export class ViciFormatError extends Error {}

/** The packet with its length in front. */
export function encodePacket({ type, name, message }: ViciPacket): Buffer {
  const parts: Buffer[] = [Buffer.from([type])];
  if (NAMED.has(type)) parts.push(named(name));
  encodeSection(parts, message);
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

/** Decodes a packet without its length. @throws ViciFormatError */
export function decodePacket(body: Buffer): ViciPacket {
  const reader = new Reader(body);
  const type = reader.u8();
  const name = NAMED.has(type) ? reader.text(reader.u8()) : '';
  const message = decodeSection(reader, true);
  return { type, name, message };
}

function encodeSection(parts: Buffer[], section: ViciSection): void {
  for (const [name, value] of Object.entries(section))
    if (typeof value === 'string') parts.push(Buffer.from([ELEMENT.keyValue]), named(name), long(value));
    else if (isList(value)) {
      parts.push(Buffer.from([ELEMENT.listStart]), named(name));
      for (const item of value) parts.push(Buffer.from([ELEMENT.listItem]), long(item));
      parts.push(Buffer.from([ELEMENT.listEnd]));
    } else {
      parts.push(Buffer.from([ELEMENT.sectionStart]), named(name));
      encodeSection(parts, value);
      parts.push(Buffer.from([ELEMENT.sectionEnd]));
    }
}

function decodeSection(reader: Reader, isRoot: boolean): ViciSection {
  const section: Record<string, string | readonly string[] | ViciSection> = {};
  while (!reader.isAtEnd) {
    const element = reader.u8();
    if (element === ELEMENT.sectionEnd && !isRoot) return section;
    const name = reader.text(reader.u8());
    if (element === ELEMENT.keyValue) section[name] = reader.text(reader.u16());
    else if (element === ELEMENT.sectionStart) section[name] = decodeSection(reader, false);
    else if (element === ELEMENT.listStart) section[name] = decodeList(reader);
    else throw new ViciFormatError(`element ${element} is unexpected`);
  }
  if (!isRoot) throw new ViciFormatError('a section has no end');
  return section;
}

function decodeList(reader: Reader): readonly string[] {
  const items: string[] = [];
  for (;;) {
    const element = reader.u8();
    if (element === ELEMENT.listEnd) return items;
    if (element !== ELEMENT.listItem) throw new ViciFormatError(`element ${element} in a list is unexpected`);
    items.push(reader.text(reader.u16()));
  }
}

function isList(value: readonly string[] | ViciSection): value is readonly string[] {
  return Array.isArray(value);
}

function named(name: string): Buffer {
  const bytes = Buffer.from(name);
  if (bytes.length > 255) throw new ViciFormatError(`the name ${name.slice(0, 40)}… is too long`);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function long(value: string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length > 65_535) throw new ViciFormatError('a value is too long');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  text(length: number): string {
    const at = this.#take(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw new ViciFormatError('the message is truncated');
    this.#at = at + count;
    return at;
  }
}
