// Invalid network configs, each with one typical error of editors and scripts.
const NETWORK = '"Network":"10.5.0.0/16"';
const withBackend = (fields: string): string => `{${NETWORK},"Backend":{"Type":"vxlan",${fields}}}`;
const withField = (field: string): string => `{${NETWORK},${field},"Backend":{"Type":"vxlan"}}`;

/** `path` is where the first error is, as JSON pointer. */
export const INVALID_CONFIGS: readonly { readonly text: string; readonly path: string }[] = [
  { text: ' ', path: '' },
  { text: 'null', path: '' },
  { text: '[]', path: '' },
  { text: '"10.5.0.0/16"', path: '' },
  { text: '{', path: '' },
  { text: '{}', path: '/Network' },
  { text: `{${NETWORK},}`, path: '' },
  { text: `{${NETWORK}} {}`, path: '' },
  { text: `{${NETWORK} /* vxlan */}`, path: '' },
  { text: "{'Network':'10.5.0.0/16'}", path: '' },
  { text: '{"Network":10}', path: '/Network' },
  { text: '{"Network":"10.5.0.0"}', path: '/Network' },
  { text: '{"Network":"10.5.0.0/33"}', path: '/Network' },
  { text: '{"Network":"10.05.0.0/16"}', path: '/Network' },
  { text: '{"Network":"fd00::/48"}', path: '/Network' },
  { text: '{"Network":"10.5.0.0/29"}', path: '/Network' },
  { text: withField('"SubnetLen":17'), path: '/SubnetLen' },
  { text: withField('"SubnetLen":31'), path: '/SubnetLen' },
  { text: withField('"SubnetLen":"24"'), path: '/SubnetLen' },
  { text: withField('"SubnetMin":"10.6.0.0"'), path: '/SubnetMin' },
  { text: withField('"SubnetMin":"10.5.1.7"'), path: '/SubnetMin' },
  { text: withField('"SubnetMin":"10.5.9.0","SubnetMax":"10.5.8.0"'), path: '/SubnetMin' },
  { text: withField('"EnableIPv4":false'), path: '/EnableIPv4' },
  { text: withField('"EnableIPv6":true'), path: '/IPv6Network' },
  { text: `{${NETWORK},"Backend":"vxlan"}`, path: '/Backend' },
  { text: `{${NETWORK},"Backend":{}}`, path: '/Backend/Type' },
  { text: `{${NETWORK},"Backend":{"Type":"vxlam"}}`, path: '/Backend/Type' },
  { text: `{${NETWORK},"Backend":{"Type":"win-overlay"}}`, path: '/Backend/Type' },
  { text: withBackend('"VNI":0'), path: '/Backend/VNI' },
  { text: withBackend('"VNI":16777216'), path: '/Backend/VNI' },
  { text: withBackend('"Port":65536'), path: '/Backend/Port' },
  { text: withBackend('"MTU":1450.5'), path: '/Backend/MTU' },
  { text: withBackend('"DirectRouting":"yes"'), path: '/Backend/DirectRouting' },
];
