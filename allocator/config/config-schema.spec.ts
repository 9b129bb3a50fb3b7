import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parseNetworkConfig } from './config-parse.ts';
import {
  backendFields,
  networkConfigSchema,
  networkFields,
  udpBackendFields,
  wireguardBackendFields,
  wireguardOnlyFields,
} from './config-schema.ts';
import type { FieldSchema } from './config-schema.ts';

const ajv = new Ajv2020({ allowUnionTypes: true, strictTypes: false, allErrors: true });
const matches = ajv.compile(networkConfigSchema);
const good = {
  Network: '10.5.0.0/16',
  EnableIPv6: true,
  IPv6Network: 'fd00::/48',
  Backend: { Type: 'vxlan' },
};
/** A backend that has the field. */
function ownerOf(name: string): { readonly Type: string; readonly PSK?: unknown } {
  if (['PSK', 'UDPEncap', 'ESPProposal'].includes(name))
    return { Type: 'ipsec', PSK: backendFields.PSK.examples?.[0] };
  if (name.startsWith('AccessKey')) return { Type: 'tencent-vpc' };
  return { Type: /Command$|^Shell$/.test(name) ? 'extension' : 'vxlan' };
}

/** Without IPv6 where the backend has none. */
function withBackend(backend: { readonly Type: string }): object {
  return {
    ...(['ipsec', 'tencent-vpc'].includes(backend.Type) ? { Network: good.Network } : good),
    Backend: backend,
  };
}

const fields: readonly (readonly [string, FieldSchema, (value: unknown) => object])[] = [
  ...Object.entries(networkFields).map(
    ([name, schema]) => [name, schema, (value: unknown) => ({ ...good, [name]: value })] as const,
  ),
  ...Object.entries(backendFields).map(
    ([name, schema]) =>
      [name, schema, (value: unknown) => withBackend({ ...ownerOf(name), [name]: value })] as const,
  ),
  ...[...Object.entries(wireguardOnlyFields), ['MTU', wireguardBackendFields.MTU] as const].map(
    ([name, schema]) =>
      [
        name,
        schema,
        (value: unknown) => ({ ...good, Backend: { Type: 'wireguard', [name]: value } }),
      ] as const,
  ),
  ...(['Port', 'MTU'] as const).map(
    (name) =>
      [
        name,
        udpBackendFields[name],
        (value: unknown) => ({ ...good, Backend: { Type: 'udp', [name]: value } }),
      ] as const,
  ),
];

/** Whether the parser finds nothing wrong with the types and bounds of the document. */
function parses(document: object): boolean {
  return parseNetworkConfig(JSON.stringify(document)).ok;
}

function readDocument(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return readFileSync(join(folder, 'docs', name), 'utf8');
}

describe('networkConfigSchema', () => {
  it('is a valid JSON Schema 2020-12', () => {
    assert.ok(new Ajv2020().validateSchema(networkConfigSchema));
  });

  it('accepts its own examples, as the parser does', () => {
    for (const example of networkConfigSchema.examples) {
      assert.ok(matches(example), JSON.stringify(matches.errors));
      assert.ok(parses(example));
    }
  });

  for (const [name, schema, document] of fields) {
    it(`${name} has title, description and examples that both schema and parser take`, () => {
      assert.ok(schema.title !== '' && schema.description !== '');
      for (const example of schema.examples ?? []) {
        assert.ok(matches(document(example)), JSON.stringify(matches.errors));
        assert.ok(parses(document(example)), JSON.stringify(document(example)));
      }
    });

    it(`${name} is judged alike by schema and parser, whatever its type`, () => {
      for (const value of [null, true, 'x', 'auto', '', -1, 0.5, [], {}]) {
        const isTaken = matches(document(value));
        assert.equal(isTaken, parses(document(value)), `${name}: ${JSON.stringify(value)}`);
      }
    });

    if (schema.minimum !== undefined)
      it(`${name} has the same bounds in schema and parser`, () => {
        const { minimum = 0, maximum = 0 } = schema;
        for (const value of [minimum - 1, maximum + 1]) {
          assert.equal(matches(document(value)), false);
          assert.equal(parses(document(value)), false);
        }
      });

    it(`${name} is known to the parser and explained in the documentation`, () => {
      const result = parseNetworkConfig(JSON.stringify(document(schema.examples?.[0] ?? 'x')));
      assert.ok(result.ok);
      assert.ok(!result.warnings.some(({ message }) => message.includes('no known field')));
      assert.ok(
        readDocument('reference/config.md').includes(`\`${name}\``),
        `docs/reference/config.md lacks ${name}`,
      );
    });
  }

  const refused = [
    ['an unknown field', { ...good, Netwrok: 1 }],
    ['an unknown field in Backend', { ...good, Backend: { Type: 'vxlan', PSK: 'x' } }],
    ['a vxlan field on another backend', { ...good, Backend: { Type: 'host-gw', VNI: 1 } }],
    ['a vxlan field on udp', { ...good, Backend: { Type: 'udp', VNI: 1 } }],
    ['a backend that weft lacks', { ...good, Backend: { Type: 'alivpc' } }],
    ['a command on vxlan', { ...good, Backend: { Type: 'vxlan', SubnetAddCommand: 'true' } }],
    ['a VNI on ipip', { Network: good.Network, Backend: { Type: 'ipip', VNI: 1 } }],
    ['a backend without type', { ...good, Backend: {} }],
    ['no network', { Backend: { Type: 'vxlan' } }],
    ['IPv6 without network', { Network: '10.5.0.0/16', EnableIPv6: true }],
    ['no family', { Network: '10.5.0.0/16', EnableIPv4: false }],
    ['a list', []],
  ] as const;
  for (const [name, document] of refused) it(`refuses ${name}`, () => assert.equal(matches(document), false));

  it('accepts the examples of the documentation, as the parser does', () => {
    const examples = [...readDocument('reference/config.md').matchAll(/^```json\n([^]*?)^```/gm)].map(
      ([, text = '']) => text,
    );
    assert.ok(examples.length >= 3);
    for (const text of examples) {
      assert.ok(matches(JSON.parse(text)), text);
      const result = parseNetworkConfig(text);
      assert.deepEqual(result.ok && result.warnings, []);
    }
  });

  it('accepts IPv6 alone', () => {
    assert.ok(matches({ EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00::/48' }));
  });
});
