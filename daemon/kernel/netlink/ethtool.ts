// Offloads of devices as bytes: ETHTOOL_MSG_FEATURES_* of generic netlink (Linux 5.7,
// ethtool-netlink.rst in the kernel), and the lookup of that family's message type. struct
// genlmsghdr: cmd u8, version u8, reserved u16.
import {
  CTRL_ATTR_FAMILY_ID,
  CTRL_ATTR_FAMILY_NAME,
  CTRL_CMD_GETFAMILY,
  ETHTOOL_A_BITSET_BIT_NAME,
  ETHTOOL_A_BITSET_BIT_VALUE,
  ETHTOOL_A_BITSET_BITS,
  ETHTOOL_A_BITSET_BITS_BIT,
  ETHTOOL_A_FEATURES_ACTIVE,
  ETHTOOL_A_FEATURES_HEADER,
  ETHTOOL_A_FEATURES_WANTED,
  ETHTOOL_A_HEADER_DEV_NAME,
  ETHTOOL_A_HEADER_FLAGS,
  ETHTOOL_FLAG_OMIT_REPLY,
  ETHTOOL_MSG_FEATURES_GET,
  ETHTOOL_MSG_FEATURES_SET,
  GENL_ID_CTRL,
} from './constants.ts';
import { AttributeTable, HEADER_BYTES, type MessageWriter } from './message.ts';

/** Bytes of `struct genlmsghdr`. */
const GENL_BYTES = 4;
const VERSION = 1;

function begin(writer: MessageWriter, family: number, command: number): void {
  const at = writer.begin(family, 0, GENL_BYTES);
  writer.writeU8(at, command);
  writer.writeU8(at + 1, VERSION);
}

/** CTRL_CMD_GETFAMILY: the lookup of a generic netlink family by name. */
export function encodeFamilyGet(writer: MessageWriter, name: string): void {
  begin(writer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
  writer.attributeText(CTRL_ATTR_FAMILY_NAME, name);
}

const control = new AttributeTable(CTRL_ATTR_FAMILY_NAME);

/** CTRL_ATTR_FAMILY_ID: message type of the family. */
export function decodeFamily(buffer: Buffer, start: number, end: number): number {
  control.read(buffer, start + HEADER_BYTES + GENL_BYTES, end);
  return control.u16(CTRL_ATTR_FAMILY_ID);
}

/** ETHTOOL_MSG_FEATURES_GET: all features of `dev`. */
export function encodeFeaturesGet(writer: MessageWriter, family: number, dev: string): void {
  begin(writer, family, ETHTOOL_MSG_FEATURES_GET);
  writer.nested(ETHTOOL_A_FEATURES_HEADER, () => writer.attributeText(ETHTOOL_A_HEADER_DEV_NAME, dev));
}

/** ETHTOOL_MSG_FEATURES_SET: wants one feature on or off; the others stay. */
export function encodeFeatureSet(
  writer: MessageWriter,
  family: number,
  { dev, name, isOn }: { readonly dev: string; readonly name: string; readonly isOn: boolean },
): void {
  begin(writer, family, ETHTOOL_MSG_FEATURES_SET);
  writer.nested(ETHTOOL_A_FEATURES_HEADER, () => {
    writer.attributeText(ETHTOOL_A_HEADER_DEV_NAME, dev);
    writer.attributeU32(ETHTOOL_A_HEADER_FLAGS, ETHTOOL_FLAG_OMIT_REPLY);
  });
  writer.nested(ETHTOOL_A_FEATURES_WANTED, () =>
    writer.nested(ETHTOOL_A_BITSET_BITS, () =>
      writer.nested(ETHTOOL_A_BITSET_BITS_BIT, () => {
        writer.attributeText(ETHTOOL_A_BITSET_BIT_NAME, name);
        if (isOn) writer.attributeFlag(ETHTOOL_A_BITSET_BIT_VALUE);
      }),
    ),
  );
}

const features = new AttributeTable(ETHTOOL_A_FEATURES_ACTIVE);
const bitset = new AttributeTable(ETHTOOL_A_BITSET_BITS);
const bit = new AttributeTable(ETHTOOL_A_BITSET_BIT_VALUE);

/** Names of the features in ETHTOOL_A_FEATURES_ACTIVE. */
export function decodeFeatures(buffer: Buffer, start: number, end: number): ReadonlySet<string> {
  features.read(buffer, start + HEADER_BYTES + GENL_BYTES, end);
  bitset.readNested(features, ETHTOOL_A_FEATURES_ACTIVE);
  const names = new Set<string>();
  bit.readEach(bitset, ETHTOOL_A_BITSET_BITS, () => names.add(bit.text(ETHTOOL_A_BITSET_BIT_NAME)));
  return names;
}
