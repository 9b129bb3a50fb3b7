// Offloads of devices as bytes: ETHTOOL_MSG_FEATURES_* of generic netlink (Linux 5.7,
// ethtool-netlink.rst in the kernel).
import {
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
} from './constants.ts';
import { beginGeneric, GENL_ATTRIBUTES_AT } from './genetlink.ts';
import { AttributeTable, type MessageWriter } from './message.ts';

/** ETHTOOL_MSG_FEATURES_GET: all features of `dev`. */
export function encodeFeaturesGet(writer: MessageWriter, family: number, dev: string): void {
  beginGeneric(writer, family, ETHTOOL_MSG_FEATURES_GET);
  writer.nested(ETHTOOL_A_FEATURES_HEADER, () => writer.attributeText(ETHTOOL_A_HEADER_DEV_NAME, dev));
}

/** ETHTOOL_MSG_FEATURES_SET: wants one feature on or off; the others stay. */
export function encodeFeatureSet(
  writer: MessageWriter,
  family: number,
  { dev, name, isOn }: { readonly dev: string; readonly name: string; readonly isOn: boolean },
): void {
  beginGeneric(writer, family, ETHTOOL_MSG_FEATURES_SET);
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
  features.read(buffer, start + GENL_ATTRIBUTES_AT, end);
  bitset.readNested(features, ETHTOOL_A_FEATURES_ACTIVE);
  const names = new Set<string>();
  bit.readEach(bitset, ETHTOOL_A_BITSET_BITS, () => names.add(bit.text(ETHTOOL_A_BITSET_BIT_NAME)));
  return names;
}
