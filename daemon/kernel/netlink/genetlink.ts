// Generic netlink (genetlink.h): the header of every message, and the lookup of a family's message
// type. struct genlmsghdr: cmd u8, version u8, reserved u16.
import { CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME, CTRL_CMD_GETFAMILY, GENL_ID_CTRL } from './constants.ts';
import { AttributeTable, HEADER_BYTES, type MessageWriter } from './message.ts';

/** Bytes of `struct genlmsghdr`. */
const GENL_BYTES = 4;
const VERSION = 1;

/** Offset of the first attribute from the start of a message. */
export const GENL_ATTRIBUTES_AT = HEADER_BYTES + GENL_BYTES;

/** Begins a message of the family with this message type. */
export function beginGeneric(writer: MessageWriter, family: number, command: number, flags = 0): void {
  const at = writer.begin(family, flags, GENL_BYTES);
  writer.writeU8(at, command);
  writer.writeU8(at + 1, VERSION);
}

/** CTRL_CMD_GETFAMILY: the lookup of a generic netlink family by name. */
export function encodeFamilyGet(writer: MessageWriter, name: string): void {
  beginGeneric(writer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
  writer.attributeText(CTRL_ATTR_FAMILY_NAME, name);
}

const control = new AttributeTable(CTRL_ATTR_FAMILY_NAME);

/** CTRL_ATTR_FAMILY_ID: message type of the family. */
export function decodeFamily(buffer: Buffer, start: number, end: number): number {
  control.read(buffer, start + GENL_ATTRIBUTES_AT, end);
  return control.u16(CTRL_ATTR_FAMILY_ID);
}
